# Only Python 3.11, make and git are needed; everything else is put into .venv and var/.
PYTHON ?= python3
VENV := .venv/bin/python
TIERS := unit db contracts kernel asterisk browser chaos

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run call calls knock password doctor test lint format bench clean $(TIERS:%=test-%)

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

setup:
	@$(PYTHON) lab/bootstrap.py

setup-dev:
	@$(PYTHON) lab/bootstrap.py --dev

run: setup ## start the panel, Redis, a worker and a sandbox PBX; Ctrl-C stops all of it
	@exec env DDIWEB_DIES_WITH_PARENT=1 $(VENV) -m lab.sandbox

call: ## beside `make run`: a phone registers, the vendor calls it, both hear the other
	@$(PYTHON) -m lab.beside
	@$(PYTHON) lab/bootstrap.py --only pjsua2-python
	@$(VENV) -m lab.call

calls: setup-dev ## the whole suite of real calls, in a sandbox of its own: trunks x transports x steps
	@$(VENV) -m tests.asterisk.suite_run

knock: ## beside `make run`: a new connection from the management network, which confirms a change on trial
	@$(PYTHON) -m lab.beside
	@$(VENV) -m lab.knock

password: setup ## give the administrator a new password and print it
	@$(VENV) -m lab.demo --password

doctor: setup ## say what is wrong on this machine, and how to mend it
	@$(VENV) manage.py doctor

test: setup-dev ## run every tier of tests, the fast ones first
	@$(VENV) -m lab.tiers $(TIERS)

$(TIERS:%=test-%): test-%: setup-dev
	@$(VENV) -m lab.tiers $*

lint: setup-dev ## ruff, mypy, Django's own checks, missing migrations
	@$(VENV) -m lab.lint

format: setup-dev ## let ruff put the code into its form
	@$(VENV) -m ruff check --fix . && $(VENV) -m ruff format .

bench: setup-dev ## measure, print a table, write var/bench.json
	@$(VENV) -m bench

clean: ## remove .venv and everything under var/ (the sandbox's database and keys too)
	@$(PYTHON) -m lab.clean
