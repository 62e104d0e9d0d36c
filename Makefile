# The project's commands. They need Python and make, nothing else; `make help` lists them.

INSTALLED = .venv/installed

.DEFAULT_GOAL = help
.PHONY: help demo test test-cluster test-ui pictures up drift docs reference guarantees lint setup lock clean
.PHONY: soak bench bench-incremental bench-backlog bench-serving bench-http bench-recommendations

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 24

demo: $(INSTALLED) ## from sample logs to a populated graph and the answers of the sample queries
	@.venv/bin/spotify-graph demo

test: $(INSTALLED) ## the test suite
	@.venv/bin/python -m pytest

test-ui: $(INSTALLED) ## a browser clicks through the UI; needs Chromium (apt-get install chromium)
	@.venv/bin/python -m pytest -n 0 spotify_graph_ui_tests

test-cluster: $(INSTALLED) ## the pipeline on a Spark cluster, as docker/ has it; needs PostgreSQL (apt-get install postgresql)
	@.venv/bin/python -m pytest -n 0 spotify_graph_cluster_tests

pictures: $(INSTALLED) ## the pictures in docs/pictures anew, taken by these tests
	@SPOTIFY_GRAPH_PICTURES=docs/pictures .venv/bin/python -m pytest -n 0 spotify_graph_ui_tests

up: $(INSTALLED) ## the local Neo4j, the Dagster UI and its daemon, until Ctrl-C
	@.venv/bin/spotify-graph up

drift: $(INSTALLED) ## the suite on the newest versions that fit, deprecations being errors; ARGS="-k upstream"
	@.ci/drift $(ARGS)

lint: $(INSTALLED) ## what CI checks besides the tests
	@.ci/run checks

setup: $(INSTALLED) ## the Python environment in .venv

lock: $(INSTALLED) ## requirements.lock anew from pyproject.toml; UPGRADE=1 takes the newest versions that fit
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  $(if $(UPGRADE),--upgrade) --group dev --group docs pyproject.toml --output-file requirements.lock

bench: $(INSTALLED) ## what loading takes, against Neo4j's Spark connector and both ceilings; ARGS="--events 100000"
	@.venv/bin/python -m benchmarks.loading $(ARGS)

bench-incremental: $(INSTALLED) ## what one more file costs, against a full rebuild; ARGS="--events 100000"
	@.venv/bin/python -m benchmarks.incremental $(ARGS)

bench-backlog: $(INSTALLED) ## how long 500 files take that land together, and one that lands alone; ARGS="--files 50"
	@.venv/bin/python -m benchmarks.backlog $(ARGS)

bench-serving: $(INSTALLED) ## how long a served recommendation takes; ARGS="--requests 5000"
	@.venv/bin/python -m benchmarks.serving $(ARGS)

bench-http: $(INSTALLED) ## what the HTTP service does a second, also while its model is replaced; ARGS="--rate 200"
	@.venv/bin/python -m benchmarks.http $(ARGS)

bench-recommendations: $(INSTALLED) ## how good the models are, what each term is worth, how training grows
	@.venv/bin/python -m benchmarks.recommendations $(ARGS)

soak: $(INSTALLED) ## a long run under kills, a full disk, short memory and a jumping clock; ARGS="--minutes 10"
	@.venv/bin/python -m benchmarks.soak $(ARGS)

guarantees: $(INSTALLED) ## the table of hostile files in docs/guarantees.md anew, from the cases that are tested
	@.venv/bin/python -m spotify_graph_tests.guarantees

docs: $(INSTALLED) ## these pages as a website in build/docs, which needs no network; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict

reference: $(INSTALLED) ## the pages of docs/reference anew, from the code and the graph model
	@.venv/bin/python -m spotify_graph_tests.reference

clean: ## removes .venv and the tools' caches; data, downloads and a running Neo4j stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# Made last: an interrupted installation is taken up again by the next make.
$(INSTALLED): requirements.lock pyproject.toml .ci/install
	@.ci/install
	@touch $@
