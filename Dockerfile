# The gateway, and with `--target sandbox` the sandbox. The build context is the root of the repository.

# The version that runs the tests. The digest is that of all its platforms; a tag alone can be moved.
FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe AS base
ENV NODE_ENV=production
WORKDIR /app

FROM base AS packages
COPY package.json package-lock.json .npmrc ./
# The optional packages are Node itself, for machines without it.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM base AS app
COPY --from=packages /app/node_modules node_modules/
COPY package.json LICENSE ./
COPY openapi openapi/
COPY generated generated/
COPY src src/
RUN rm -r src/sandbox

FROM app AS sandbox
COPY src/sandbox src/sandbox/
USER 1000:1000
CMD ["node", "src/sandbox/main.ts"]

FROM app AS compiled
COPY deploy/compile-cache.ts deploy/
RUN install --directory --owner=1000 compile-cache
# Node keeps a cache for each user, which only that user can read; the copy belongs to root.
USER 1000:1000
RUN NODE_COMPILE_CACHE=/app/compile-cache node deploy/compile-cache.ts && chmod -R a+rX compile-cache

# Node, the files that it opens, their licences, and for scanners the packages of Debian that they are from. There is
# neither a shell nor npm for an attacker to use.
FROM base AS runtime
RUN packages="libc6 libgcc-s1 libstdc++6" && \
    mkdir --parents /runtime/var/lib/dpkg && \
    dpkg-query --status $packages >/runtime/var/lib/dpkg/status && \
    cp --parents --dereference /usr/local/bin/node $(ldd /usr/local/bin/node | grep -o '/[^ ]*') \
      /etc/group /etc/nsswitch.conf /etc/os-release /etc/passwd /usr/local/LICENSE \
      $(printf '/usr/share/doc/%s/copyright ' $packages) /runtime

FROM scratch AS gateway
COPY --from=runtime /runtime /
WORKDIR /app
COPY --from=app /app ./
COPY --from=compiled /app/compile-cache compile-cache/
ENV PATH=/usr/local/bin
ENV NODE_ENV=production
# Node has stripped the types and compiled: a start that finds the result takes half the time and 7 MiB less.
ENV NODE_COMPILE_CACHE=/app/compile-cache
# glibc gives memory of this size back to the system once it is free. What V8 compiles with is in such pieces, and would
# stay resident for ever: 15 to 30 MiB.
ENV MALLOC_MMAP_THRESHOLD_=32768
LABEL org.opencontainers.image.title="FoldForge gateway" \
      org.opencontainers.image.description="Public HTTP/JSON edge of FoldForge" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
# The user `node`, as a number: runAsNonRoot of Kubernetes accepts no name.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
# Every bind address, including 0.0.0.0 and [::], can be connected to.
HEALTHCHECK --interval=5s --timeout=5s CMD ["node", "--eval", \
  "fetch('http://' + (process.env.FOLDFORGE_GATEWAY__BIND_ADDR || '0.0.0.0:8080') + '/v1/healthz').then(({ ok }) => process.exit(ok ? 0 : 1))"]
# No signal opens Node's inspector. V8's old space is limited to half of the container's memory: the buffers of
# connections are outside it. A young generation that stays small (8 MiB; V8's own is 16 to 32) saves 35 MiB under load,
# and threads for the two cores that the gateway uses instead of four save 1: test/bench/README.md has the measurements.
CMD ["node", "--disable-sigusr1", "--max-old-space-size-percentage=50", "--max-semi-space-size=8", "--v8-pool-size=2", \
  "src/main.ts"]
