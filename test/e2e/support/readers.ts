/** Other programs' readers in Python, where they are installed: `PYTHON` names the interpreter. */
import { execFileSync } from 'node:child_process';

const python = process.env['PYTHON'] ?? 'python3';

/** Rows as text, sorted, as pyarrow and as Polars read the files of a folder; both must agree before one is printed. */
const SCRIPT = `
import glob, json, sys
import polars as pl, pyarrow as pa, pyarrow.csv as csv, pyarrow.feather as feather, pyarrow.json as ndjson, pyarrow.parquet as pq
files = sorted(glob.glob(sys.argv[1]))
def read(path):
    name = path.replace('.gz', '').replace('.zst', '')
    if name.endswith('.parquet'): return pq.ParquetFile(path).read()
    if name.endswith('.arrow'): return feather.read_table(path)
    with pa.input_stream(path, compression='detect') as stream:
        return csv.read_csv(stream) if name.endswith('.csv') else ndjson.read_json(stream)
def read_polars(path):
    if path.endswith('.parquet'): return pl.read_parquet(path, hive_partitioning=False)
    if path.endswith('.arrow'): return pl.read_ipc(path)
    return pl.read_ndjson(path) if '.ndjson' in path else pl.read_csv(path)
rows = lambda table: sorted([str(row['id']), row['name']] for row in table)
one = rows(row for path in files for row in read(path).to_pylist())
two = rows(row for path in files for row in read_polars(path).to_dicts())
assert one == two, 'pyarrow and Polars disagree'
print(json.dumps(one))
`;

/** Why the readers cannot be asked, or null. */
export function lackingReaders(): string | null {
  try {
    execFileSync(python, ['-c', 'import polars, pyarrow'], { stdio: 'pipe' });
    return null;
  } catch {
    return `${python} has no polars and pyarrow: read back by DuckDB alone`;
  }
}

/** `[id, name]` of every row in the files that a pattern finds, sorted. */
export function readElsewhere(pattern: string): string[][] {
  return JSON.parse(execFileSync(python, ['-c', SCRIPT, pattern], { encoding: 'utf8', maxBuffer: 64 << 20 })) as string[][];
}
