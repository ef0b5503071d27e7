# Weir as container images. Without a shell at run time, as an ordinary user, on a root file system that is read-only.
#
#   docker build -t weir .                     all in one, with its own PostgreSQL
#   docker build -t weir --target service .    any set of services, beside a PostgreSQL of yours (docker-compose.yml)
#
# Start them with an init process (`--init`, in docker-compose.yml `init: true`): it passes SIGTERM on also while Weir still starts.

# The Node of the lockfile. Slim Debian has flock(1), by which the journal is locked.
FROM node:24.21.0-trixie-slim AS base
WORKDIR /weir

FROM base AS packages
COPY package.json package-lock.json .npmrc ./

# Optional are PostgreSQL, and a Node for machines without one.
FROM packages AS service-packages
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# PostgreSQL's install script links its libraries. Weir would do it at the first start, but cannot write here then: so look now.
FROM packages AS all-in-one-packages
COPY gen gen
COPY services services
RUN npm ci --omit=dev \
  && rm -r node_modules/node-linux-* \
  && node -e 'import("/weir/services/platform/database/postgres-binaries.ts").then(({ findPostgresBinaries }) => findPostgresBinaries())'

# The page for operators, and Weir in few files: what builds them is not needed to run them.
FROM packages AS built
RUN npm ci --ignore-scripts
COPY gen gen
COPY services services
COPY scripts/bundle.js scripts/bundle.js
RUN npm run prepare

# One authority and a certificate for each service, for docker-compose.yml.
FROM base AS certificates
RUN apt-get update && apt-get install -y --no-install-recommends openssl && rm -rf /var/lib/apt/lists/*
RUN install -d -o 1000 -g 1000 -m 0700 /certificates \
  && for name in authority routing policy metering providers; do install -d -o 1000 -g 1000 -m 0700 "/certificates/$name"; done
COPY deploy/certificates.sh /weir/deploy/certificates.sh
USER 1000:1000
ENTRYPOINT ["sh", "/weir/deploy/certificates.sh", "/certificates"]

# What both images have. A new volume takes over the owner and the mode of the folder that it covers.
FROM base AS application
RUN install -d -o 1000 -g 1000 -m 0700 /data /certificates \
  && ln -s /weir/services/compose/weir.js /usr/local/bin/weir
COPY package.json ./
COPY gen gen
COPY services services
COPY --from=built /weir/services/console/dist services/console/dist
COPY --from=built /weir/dist dist
ENV WEIR_DATA=/data WEIR_CONFIG=/etc/weir/weir.yaml
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["weir", "health", "--admin-port=8081"]
ENTRYPOINT ["/weir/services/compose/weir.js", "serve", "--admin-port=8081"]

FROM application AS service
COPY --from=service-packages /weir/node_modules node_modules
COPY deploy/weir.yaml /etc/weir/weir.yaml
EXPOSE 8080 8090

FROM application AS all-in-one
COPY --from=all-in-one-packages /weir/node_modules node_modules
COPY deploy/all-in-one.yaml /etc/weir/weir.yaml
VOLUME /data
EXPOSE 8080
