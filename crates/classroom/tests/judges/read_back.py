"""Reads an export with whatever reader of its format this Python knows, and says which ones did.

Usage: read_back.py FORMAT FILE SCHEMA
"""

import importlib.util
import json
import sys


def known(module):
    return importlib.util.find_spec(module) is not None


def main(form, path, schema):
    readers = []
    if form == "junit":
        if known("junitparser"):
            import junitparser

            suites = list(junitparser.JUnitXml.fromfile(path))
            cases = [case for suite in suites for case in suite]
            assert cases and sum(suite.tests for suite in suites) == len(cases)
            failed = [case for case in cases if any(isinstance(result, junitparser.Failure) for result in case.result)]
            assert len(failed) == sum(suite.failures for suite in suites)
            readers.append("junitparser")
    else:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if known("jsonschema"):
            import jsonschema

            with open(schema, encoding="utf-8") as file:
                jsonschema.Draft202012Validator(json.load(file)).validate(document)
            readers.append("jsonschema")
        if form == "check50" and known("check50"):
            import check50.renderer
            import check50.runner

            results = [check50.runner.CheckResult.from_dict(result) for result in document["results"]]
            assert results
            for render in (check50.renderer.to_html, check50.renderer.to_ansi):
                assert render(document["slug"], document["results"], document["version"])
            readers.append("check50")
    print(" ".join(readers))


main(*sys.argv[1:])
