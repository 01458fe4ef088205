"""The lab: private tools, network namespaces and processes for the sandbox, tests and benchmarks.

Standard library only and free of Django, so that it runs before anything is installed.
"""
