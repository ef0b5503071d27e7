export WEIR_INTERNAL_SECRET=$(openssl rand -hex 32)
npx weir serve --config examples/apart.yaml --services policy,metering --internal-port 8090 --admin-port 8081 &
npx weir serve --config examples/apart.yaml --services providers --internal-port 8091 --admin-port 8082 &
npx weir serve --config examples/apart.yaml --services routing --port 8080 --admin-port 8083
