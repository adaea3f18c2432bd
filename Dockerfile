# syntax=docker/dockerfile:1
# One image for every role: `docker run millrace scheduler`, `worker-host`, `api`, or any command of `millrace`.

# The core, against the C library of the final image.
FROM rust:1.95-bookworm AS core
WORKDIR /build
COPY schemas schemas
COPY docs/sql-functions.md docs/sql-functions.md
COPY native native
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    CARGO_TARGET_DIR=/build/target cargo build --release --locked --manifest-path native/rust-core/Cargo.toml -p millrace-core --bin millrace-core \
    && cp target/release/millrace-core /millrace-core

# The dashboard, and the packages that run.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.base.json ./
COPY packages packages
RUN --mount=type=cache,target=/var/cache/npm npm install --cache /var/cache/npm --no-save --ignore-scripts --no-audit --no-fund \
    && npm run build --workspace packages/dashboard
# Services run their TypeScript as it is; tests, and what only builds, stay behind. Node is the image's own. What the dashboard imports is in its bundle.
RUN --mount=type=cache,target=/var/cache/npm npm pkg delete dependencies --workspace packages/dashboard \
    && npm prune --cache /var/cache/npm --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
    && find packages -name '*.test.ts' -delete \
    && find packages -type d -name testing -prune -exec rm -rf {} + \
    && rm -rf packages/dashboard/src packages/dashboard/node_modules

FROM node:24-bookworm-slim
# An init as process 1: it reaps what cores leave behind and hands signals on. Redis is for `millrace run` and `dev` only.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends tini ca-certificates redis-server && rm -rf /var/lib/apt/lists/* \
    && rm -rf /usr/local/lib/node_modules/npm /usr/local/bin/npm /usr/local/bin/npx \
    # A volume takes over the mode of the directory that it covers: any user may write there.
    && mkdir -m 1777 /scratch
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=packages /app/packages packages
COPY --from=packages /app/package.json package.json
COPY container container
COPY --from=core /millrace-core /usr/local/bin/millrace-core
# The root is read-only where it can be; `millrace run` keeps its files beside the scratch of its cores.
ENV NODE_ENV=production MILLRACE_CORE=/usr/local/bin/millrace-core TMPDIR=/scratch
USER 65532:65532
VOLUME /scratch
EXPOSE 8080 8081
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/container/start-role.js"]
CMD ["--help"]
