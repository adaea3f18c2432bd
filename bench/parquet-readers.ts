/**
 * `npm run bench -- parquet-readers`: our Parquet parts of the bench file, read by pyarrow, Polars and DuckDB and compared with the CSV: rows, sums, bytes of
 * text. Needs a Python with `pip install pyarrow polars`; `PYTHON=/path/to/python` names it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { buildExample } from './bare-core.ts';
import { writeCoreFile } from './core-file.ts';
import { csvTable } from './duckdb.ts';
import { home, keep } from './keep.ts';

const ROWS = 300_000;
const SCRIPT = `
import glob, json, sys
import pyarrow, pyarrow.compute as pc, pyarrow.parquet as pq, polars as pl
files = sorted(glob.glob(sys.argv[1] + '/*.parquet'))
texts = ['method', 'path', 'ip', 'agent', 'md5']
table = pyarrow.concat_tables([pq.read_table(file) for file in files])
frame = pl.concat([pl.read_parquet(file) for file in files])
arrow = [table.num_rows] + [pc.sum(table[name]).as_py() for name in ['id', 'user_id', 'status']] + [pc.max(table['ts']).cast('int64').as_py()]
arrow += [pc.sum(pc.binary_length(table[name])).as_py() for name in texts]
polars = [frame.height] + [frame[name].sum() for name in ['id', 'user_id', 'status']] + [frame['ts'].max().timestamp() * 1000000]
polars += [frame[name].str.len_bytes().sum() for name in texts]
same = table.to_pydict() == frame.to_arrow().to_pydict()
print(json.dumps({'versions': {'pyarrow': pyarrow.__version__, 'polars': pl.__version__}, 'pyarrow': arrow, 'polars': [int(value) for value in polars], 'same': same}))
`;

const file = join(home, `core-${ROWS}.csv`);
const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
try {
  writeCoreFile(file, ROWS);
  const result: Record<string, unknown> = {};
  for (const compression of ['snappy', 'zstd', 'none']) {
    const folder = join(out, compression);
    const binary = await buildExample('millrace-engine', 'bare_core');
    execFileSync(binary, [file, folder, 'convert', '16', compression]);
    const read = JSON.parse(execFileSync(process.env.PYTHON ?? 'python3', ['-c', SCRIPT, folder], { encoding: 'utf8' }));
    const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
    const sums = `count(*), sum(id), sum(user_id), sum(status), epoch_us(max(ts)), sum(strlen(method)), sum(strlen(path)), sum(strlen(ip)), sum(strlen(agent)),
      sum(strlen(md5)), bit_xor(hash(id, ts, user_id, method, path, status, latency, ip, agent, md5))`;
    const answers = async (table: string) => (await duckdb.runAndReadAll(`SELECT ${sums} FROM ${table}`)).getRows()[0]?.map(String) ?? [];
    const [csv, parquet] = [await answers(csvTable(file)), await answers(`read_parquet('${folder}/*.parquet')`)];
    const plain = csv.slice(0, -1).join();
    const agree = read.same && csv.join() === parquet.join() && read.pyarrow.join() === plain && read.polars.join() === plain;
    if (!agree) throw new Error(`readers disagree under ${compression}: ${JSON.stringify({ csv, parquet, ...read })}`);
    result[compression] = { rows: ROWS, agree, versions: read.versions };
  }
  keep('parquet-readers', result);
  console.log('DuckDB, pyarrow and Polars read the same rows under snappy, zstd and none');
} finally {
  rmSync(out, { recursive: true, force: true });
}
