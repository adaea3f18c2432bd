#!/bin/sh
# Fetches what `npm run bench -- detection` compares with: test files of other projects, and detectors. Into .cache/detection, or the directory named.
set -eu
cd "$(dirname "$0")/../.."
cache=${1:-${MILLRACE_DETECTION_CACHE:-.cache/detection}}
mkdir -p "$cache/sdist" "$cache/x" "$cache/npm" "$cache/crates"
cd "$cache"
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/pip install -q clevercsv==0.8.5 duckdb==2.0.0 chardet==7.7.0 charset-normalizer==3.5.2 wheel setuptools poetry-core hatchling flit-core
for package in frictionless==5.21.0 csvkit==2.2.0 agate==1.14.2 pyexcel-io==0.6.8; do
  venv/bin/pip download -q --no-deps --no-binary :all: --no-build-isolation -d sdist "$package"
done
for archive in sdist/*.tar.gz; do tar -xzf "$archive" -C x; done
(cd npm && { [ -f package.json ] || npm init -y >/dev/null; } && npm install --ignore-scripts --no-audit --no-fund csv-spectrum papaparse)
(cd crates && { [ -f Cargo.toml ] || cargo init -q --lib --name collection .; } && cargo add -q csv && cargo vendor -q vendor)
ln -sfn ../npm/node_modules/csv-spectrum/csvs x/csv-spectrum
ln -sfn ../npm/node_modules/papaparse/tests x/papaparse
ln -sfn ../crates/vendor/csv/examples/data x/csv
