/** The part of service-kit's logger that is needed here; it is handed in, so this package imports `protocol` alone. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
