# Each of these is the only command to type, on a fresh machine too.
.PHONY: run test test-all format benchmarks clean

run: ## serve the workbench (HOST, PORT, DATA_DIR, ... : see README.md)
	@bash .ci/environment.sh
	@exec bash .ci/serve.sh .venv/bin/python

test: ## every check and every test
	@bash .ci/environment.sh dev
	@bash .ci/test.sh

test-all: ## the same, with every ready pipeline, in the browser too
	@bash .ci/environment.sh dev
	@bash .ci/test.sh all

format: ## put the code into the project's style
	@bash .ci/environment.sh dev
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format . && bash .ci/scripts.sh format

benchmarks: ## how good and how quick, beside the tools that one would pick instead (long)
	@bash .ci/environment.sh dev
	@for script in tests/benchmarks/*.py; do echo "== $$script"; .venv/bin/python "$$script" || exit 1; done

clean: ## remove what was set up; data and code stay
	rm -rf .venv .uv .cache
