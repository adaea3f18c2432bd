/** How long the oldest chunk that a sweep found without owner had been so, in milliseconds. */
export class Unowned {
  oldestMs: number | null = null;

  note(ageMs: number): void {
    this.oldestMs = Math.max(this.oldestMs ?? 0, ageMs);
  }
}
