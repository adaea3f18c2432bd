/** The part of service-kit's logger that is needed here; it is handed in. */
export interface CoreLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
