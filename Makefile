PYTHON ?= python3
BIN := .venv/bin
.PHONY: run test test-javascript lint bench clean

run: .venv/ready
	$(BIN)/streamlit run app.py --server.port 8501

test: .venv/ready .venv/peers/ready test-javascript
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-javascript:
	@if command -v node >/dev/null; then node --test tests/javascript/*.test.js; \
	elif [ "$$LAB_BROWSER_TESTS" = required ]; then echo "Node is not installed, and the JavaScript tests are required" >&2; exit 1; \
	else echo "Node is not installed: the JavaScript tests are skipped"; fi

lint: .venv/ready node_modules/ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm run --silent lint

bench: .venv/ready .venv/peers/ready
	for one in benchmarks/bench_*.py; do $(BIN)/python $$one || exit 1; done

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Sighting Lab needs Python 3.11 or newer; got $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

# Other evaluation libraries, apart from ours: tests and benchmarks compare with them.
.venv/peers/ready: tests/peers.txt .venv/ready
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/peers -r tests/peers.txt
	touch $@

node_modules/ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing; on Debian or Ubuntu: apt-get install npm"; exit 1; }
	npm ci --silent
	touch $@

clean:
	rm -rf .venv node_modules
