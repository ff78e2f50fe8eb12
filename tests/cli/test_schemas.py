"""`model-audit schema`: what it prints describes what the tool reads and writes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from audit.render.json import render
from audit.request.request import options
from audit.verdict.policy_file import policy_path, shipped_policies
from tests.command import Run, complains
from tests.report.factory import make_report
from tests.tiny import Tiny


@pytest.fixture
def schema(model_audit: Run) -> Any:
    def printed(name: str) -> dict[str, Any]:
        ended = model_audit("schema", name)
        assert (ended.code, ended.err) == (0, "")
        content: dict[str, Any] = json.loads(ended.out)
        jsonschema.Draft202012Validator.check_schema(content)
        assert content["$id"] == f"urn:model-audit:{name}:{2 if name == 'report' else 1}"
        assert content["title"]
        assert content["description"]
        return content

    return printed


def test_policies(schema: Any) -> None:
    described = schema("policy")
    for name in shipped_policies():
        jsonschema.validate(yaml.safe_load(policy_path(name).read_bytes()), described)
    content = yaml.safe_load(policy_path("strict").read_bytes())
    for broken in (content | {"limit": []}, content | {"version": 2}, {"version": 1, "name": "no limits"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, described)


def test_a_config(schema: Any, model_audit: Run, tiny: Tiny) -> None:
    described = schema("config")
    model_audit("init", tiny.checkpoint)
    content = yaml.safe_load(Path("audit.yaml").read_text())
    jsonschema.validate(content, described)
    jsonschema.validate(content | {"mean": [0.5, 0.5], "attacks": "a,b", "threshold": 0.3}, described)
    for broken in (content | {"thresold": 0.4}, content | {"seed": "one"}, content | {"controls": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, described)
    assert {name: part["description"] for name, part in described["properties"].items()} == {
        one.key: one.option.plain for one in options()
    }


def test_a_report(schema: Any) -> None:
    described = schema("report")
    jsonschema.validate(json.loads(render(make_report())), described)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(render(make_report())) | {"surprise": 1}, described)
    text = described["$defs"]["Summary"]["properties"]["threshold"]["description"]
    assert "threshold" in described["$defs"]["Summary"]["properties"]
    assert text.split()[0] == "Similarity"


def test_the_nearest_name_is_given(model_audit: Run) -> None:
    complains(model_audit("schema", "reports"), "no schema of 'reports'", "did you mean 'report'?")
