# make test     everything that CI runs; installs what it needs (Debian's packages, npm's, Go's)
# make test-long   what takes ten minutes: a server gone for five, more networks that change, storms of full size
# make run      the service on :8080
# make web      builds the pages into web/dist, which is committed
# make lint     golangci-lint, as pinned here
# make fmt      formats the Go code as the linter wants it
# make chaos    pairs that talk while their links break: 20 seeds of 100,000 messages
# make chaos-cluster   100,000 messages over three nodes with every request sent to any of them and a node killed every second
# make clocks-cluster  the cluster's tests with nodes whose clocks differ by 20 minutes
# make abuse    the relay under floods and crowds of full size; some minutes of both cores
# make fuzz     every fuzzer, for FUZZTIME each
# make bench-signaling   compares the signaling server with others; about ten minutes
# make bench-relay       compares the relay with coturn and pion/turn's server; 12 minutes
# make bench-cluster     what rooms in Redis cost, beside rooms in memory; five minutes
# make bench-connect     compares how browsers get connected, by this client and by others; ten minutes
# make soak     the relay alone for an hour (ARGS='-soak 2h'), under a load whose clients come and go; a third of a core
# make image    the container image, parley

GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
SIGNAL   := bin/signal
TURN     := bin/turn
RIVALS   := bench/signaling/rivals
CONNECT  := bench/connect
BROWSERS := PARLEY_SIGNAL=$(CURDIR)/$(SIGNAL) PARLEY_TURN=$(CURDIR)/$(TURN) test/isolate.sh node --test

# Only of `make test-long`.
LONG     := test/browser/editor-storm.test.mjs
# These take the whole machine, or measure.
ALONE    := $(addprefix test/browser/,doctor.test.mjs firefox-editor.test.mjs mesh.test.mjs network.test.mjs)

MAKEFLAGS += --no-print-directory

.PHONY: test test-go test-web test-browser test-long run build web lint fmt chaos chaos-cluster clocks-cluster abuse fuzz image setup bench-signaling bench-relay bench-cluster bench-connect soak

test: setup
	$(MAKE) test-go
	$(MAKE) test-web
	$(MAKE) test-browser

setup:
	@test/setup.sh

test-go: $(RIVALS)/node_modules
	go vet ./...
	go test -race -shuffle=on -p 4 ./...

test-web: web/node_modules build
	cd web && npm run -s typecheck
	cd web && npm run -s check
	cd web && npm run -s size
	cd web && PARLEY_SIGNAL=$(CURDIR)/$(SIGNAL) npm run -s test

# They mostly wait, so two files run at once; the doctor, which judges times, runs alone.
test-browser: web/node_modules build
	$(BROWSERS) --test-concurrency=1 $(ALONE)
	$(BROWSERS) --test-concurrency=2 bench/connect/*.test.mjs $(filter-out $(ALONE) $(LONG),$(wildcard test/browser/*.test.mjs))

test-long: setup web/node_modules build
	PARLEY_LONG=1 PARLEY_OUTAGE=300 PARLEY_TIMES=5 $(BROWSERS) $(addprefix test/browser/,storm.test.mjs editor-storm.test.mjs network.test.mjs first-text.test.mjs outage.test.mjs gopeer-mesh.test.mjs)

build:
	go build -o bin/ ./cmd/...

run:
	go run ./cmd/signal

web: web/node_modules
	cd web && npm run -s build

web/node_modules: web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

lint:
	$(GOLANGCI) run ./...

fmt:
	$(GOLANGCI) fmt ./...

chaos:
	go test -race -count=1 -timeout 60m -run '^TestChaos$$' -v ./client -args -seeds=20 -messages=100000

chaos-cluster:
	go test -count=1 -timeout 60m -run '^TestCluster$$/^each' -v ./test/cluster -args -messages=100000

clocks-cluster:
	go test -count=1 -timeout 20m -v -run '^TestCluster$$' ./test/cluster -args -clocks

abuse:
	go test -count=1 -timeout 20m -v ./test/abuse -args -full

fuzz:
	test/fuzz.sh

image:
	docker build -t parley -f deploy/Dockerfile .

bench-signaling: $(RIVALS)/node_modules
	go build -o bin/bench-signaling ./bench/signaling
	bin/bench-signaling $(ARGS)

bench-relay: setup
	go build -o bin/turn ./cmd/turn
	go build -o bin/bench-relay ./bench/relay
	bin/bench-relay -turn bin/turn -json bin/bench-relay.json $(ARGS)

bench-cluster: setup
	go build -o bin/bench-cluster ./bench/cluster
	bin/bench-cluster -json bin/bench-cluster.json $(ARGS)

soak:
	go build -o bin/turn ./cmd/turn
	go build -o bin/bench-relay ./bench/relay
	bin/bench-relay -turn bin/turn -soak 1h $(ARGS)

$(RIVALS)/node_modules: $(RIVALS)/package-lock.json
	cd $(RIVALS) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

bench-connect: setup build web/node_modules $(CONNECT)/node_modules $(CONNECT)/livekit/livekit-server
	PARLEY_SIGNAL=$(CURDIR)/$(SIGNAL) test/isolate.sh node $(CONNECT)/main.mjs $(ARGS)

$(CONNECT)/node_modules: $(CONNECT)/package-lock.json
	cd $(CONNECT) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Without it LiveKit does not take part.
$(CONNECT)/livekit/livekit-server: $(CONNECT)/livekit/go.sum
	-go build -C $(@D) -o $(@F) github.com/livekit/livekit-server/cmd/server
