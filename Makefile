# make demo   a sentence in, a motion out (the first time: sets everything up in .venv)
# make test   all tests            make check   format, lint and types
# make figures  every number of the model card again (needs the development data; five minutes)
# make soak   kills, signals, several processes and damaged files, the long way (an hour)
# make gallery  the pictures of docs/gallery.md again (two minutes)
# make studio  the web page, from studio/ into the package (needs node)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PY = $(VENV)/bin/python
PIP = $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT = out
PROMPT = a person waves the left hand

.PHONY: demo test check figures gallery soak studio clean

demo: $(VENV)/installed
	@mkdir -p $(OUT)
	@$(VENV)/bin/motiongpt3 generate "$(PROMPT)" --seconds 4 --seed 0 --caption-back \
		-o $(OUT)/wave.mp4 -o $(OUT)/wave.bvh -o $(OUT)/wave.glb

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 tests

soak: $(VENV)/installed-dev
	MOTIONGPT3_SOAK=1 OMP_NUM_THREADS=1 $(PY) -m pytest tests/test_survival.py tests/test_distributed.py \
		tests/test_library.py tests/test_mutants.py tests/test_api_schema.py tests/test_server_faults.py \
		tests/test_server_attacks.py tests/test_deploy.py

check: $(VENV)/installed-dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

figures: $(VENV)/installed-dev
	@test -f prepared/manifest.json || $(VENV)/bin/motiongpt3 data prepare -o prepared
	$(PY) scripts/figures.py --data prepared --check

gallery: $(VENV)/installed
	$(PY) scripts/gallery.py

studio:
	cd studio && npm ci --no-audit --no-fund && npm run build

clean:
	rm -rf $(OUT) $(VENV) studio/node_modules build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and alone, so that nothing else chooses its version.
$(VENV)/installed: pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "adding what the tests need"
	@$(PIP) --editable ".[dev]"
	@touch $@
