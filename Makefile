PYTHON ?= python3
# What `make run` installs: app (small) or all (every detector).
EXTRAS ?= app
BIN := .venv/bin
# Where it is there, uv installs; else pip does. See the README.
UV := $$(command -v uv || command -v $(BIN)/uv)
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 4 -rs
.PHONY: run test test-long test-javascript compiled lint bench lock clean
.SECONDARY:
# Where it is set, as in many images, each process compiles all that it imports anew: that took half
# of the time of the tests.
unexport PYTHONDONTWRITEBYTECODE

run: .venv/$(EXTRAS).ready
	$(BIN)/streamlit run app.py --server.port 8501

# What a person waits for: the same random examples each time. A test that hangs ends with its
# traceback, and the others go on.
test: compiled test-javascript
	$(PYTEST) -n 3 --timeout 300 -m "not long"

# The rest: soaks, long searches, kills by the hundred, comparisons with other libraries. Many of
# them wait for a server or a clock, so that there are more at once.
test-long: compiled .venv/peers/ready
	$(PYTEST) -n 4 --timeout 1200 -m long

# What numba compiles is kept on disk: else each process of the tests would compile it for itself.
compiled: .venv/test.ready
	$(BIN)/python -c "from lab.app.ui.start import warm_up; warm_up()"

test-javascript:
	@if command -v node >/dev/null; then node --test tests/javascript/*.test.js; \
	elif [ "$$LAB_BROWSER_TESTS" = required ]; then echo "Node is not installed, and the JavaScript tests are required" >&2; exit 1; \
	else echo "Node is not installed: the JavaScript tests are skipped"; fi

lint: .venv/test.ready node_modules/ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm run --silent lint

bench: .venv/test.ready .venv/peers/ready
	for one in benchmarks/bench_*.py; do $(BIN)/python $$one || exit 1; done

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Sighting Lab needs Python 3.11 or newer; got $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install -q uv || echo "uv cannot be had; pip installs instead"

# Just the locked versions, checked by their hashes; what else is in .venv stays.
.venv/%.ready: locks/%.txt pyproject.toml | $(BIN)/python
	@if [ -n "$(UV)" ]; then set -x; \
	  "$(UV)" pip install -q --python $(BIN)/python --require-hashes -r $< && \
	  "$(UV)" pip install -q --python $(BIN)/python --no-deps -e .; \
	else set -x; \
	  $(BIN)/python -m pip install -q --require-hashes -r $< && \
	  $(BIN)/python -m pip install -q --no-deps -e .; \
	fi
	touch $@

# Other evaluation libraries, apart from ours: tests and benchmarks compare with them.
.venv/peers/ready: tests/peers.txt .venv/test.ready
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/peers -r tests/peers.txt
	touch $@

node_modules/ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing; on Debian or Ubuntu: apt-get install npm"; exit 1; }
	npm ci --silent
	touch $@

# Write the locks anew from pyproject.toml; `make lock UPGRADE=--upgrade` takes the newest versions.
COMPILE = "$(UV)" pip compile -q --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
SERVER = --extra app --extra live --extra login --extra remote --extra serve
lock: | $(BIN)/python
	@test -n "$(UV)" || { echo "make lock needs uv: pip install uv"; exit 1; }
	$(COMPILE) $(UPGRADE) --extra all --extra test pyproject.toml -o locks/test.txt
	$(COMPILE) $(UPGRADE) --extra all -c locks/test.txt pyproject.toml -o locks/all.txt
	$(COMPILE) $(UPGRADE) $(SERVER) -c locks/test.txt pyproject.toml -o locks/server.txt
	$(COMPILE) $(UPGRADE) --extra app -c locks/test.txt pyproject.toml -o locks/app.txt
	sed -n 's/^onnxruntime\(==[^ ]*\).*/onnxruntime-gpu[cuda,cudnn]\1/p' locks/all.txt | \
		$(COMPILE) $(UPGRADE) --python-version 3.11 -c locks/all.txt - -o locks/cuda.txt

clean:
	rm -rf .venv node_modules
