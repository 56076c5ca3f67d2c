"""Parameters that are known settle conditions; what only a deployment knows stays."""

from typing import Any

import pytest

from ecr_image_waiter.cdk.intrinsics import settled

NOTHING = {"Ref": "AWS::NoValue"}
CONDITIONS: dict[str, Any] = {
    "Said": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]},
    "Listed": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "List"}]}, ""]}]},
    "Both": {"Fn::And": [{"Condition": "Said"}, {"Condition": "Listed"}]},
    "There": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]},
}


def of(resources: dict[str, Any], **given: Any) -> dict[str, Any]:
    parameters = {"Name": {"Default": ""}, "List": {"Default": ""}}
    return settled({"Parameters": parameters, "Conditions": CONDITIONS, "Resources": resources}, given)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, {"There"}),
        ({"Name": "n"}, {"Said", "There"}),
        ({"List": ["a"]}, {"Listed", "There"}),
        ({"Name": "n", "List": ["a"]}, {"Said", "Listed", "Both", "There"}),
    ],
)
def test_a_resource_is_there_where_its_condition_holds_or_may_hold(given: dict[str, Any], left: set[str]) -> None:
    template = of({name: {"Type": name, "Condition": name} for name in CONDITIONS}, **given)
    assert template["Resources"].keys() == left
    assert template["Conditions"] == {"There": CONDITIONS["There"]}
    assert [name for name in left if "Condition" in template["Resources"][name]] == ["There"]


def test_a_choice_that_the_parameters_make_is_made_and_any_other_one_stays() -> None:
    def choice(condition: str) -> list[Any]:
        return [{"Fn::If": [condition, {"Ref": "Name"}, NOTHING]}, {"Fn::If": [condition, NOTHING, {"Ref": "Other"}]}]

    resources = {"R": {"Said": choice("Said"), "There": choice("There")}}
    named = {"There": [{"Fn::If": ["There", "n", NOTHING]}, {"Fn::If": ["There", NOTHING, {"Ref": "Other"}]}]}
    assert of(resources, Name="n")["Resources"]["R"] == {"Said": ["n"], **named}
    assert of(resources)["Resources"]["R"]["Said"] == [{"Ref": "Other"}]


def test_a_number_becomes_text_where_texts_are_joined_and_put_in_by_name_where_text_has_its_name() -> None:
    joined = {"Fn::Join": ["", ["at most ", {"Ref": "Name"}]]}
    named = {"Fn::Sub": ["${Name} of ${Function}", {"Also": joined}]}
    assert of({"R": {"Joined": joined, "Named": named}}, Name=5)["Resources"]["R"] == {
        "Joined": "at most 5",
        "Named": {"Fn::Sub": ["${Name} of ${Function}", {"Name": 5, "Also": "at most 5"}]},
    }


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        ([{"Condition": "Said"}, {"Fn::Not": [{"Condition": "There"}]}], {"Fn::Not": [{"Condition": "There"}]}),
        ([{"Condition": "There"}, {"Condition": "There"}], {"Fn::And": [{"Condition": "There"}] * 2}),
        ([{"Condition": "Listed"}, {"Condition": "There"}], None),
    ],
)
def test_of_several_conditions_those_stay_that_no_parameter_decides(parts: list[Any], left: Any) -> None:
    template = {
        "Parameters": {"Name": {"Default": "n"}, "List": {"Default": ""}},
        "Conditions": {**CONDITIONS, "All": {"Fn::And": parts}},
        "Resources": {"R": {"Condition": "All"}},
    }
    found = settled(template, {})
    assert found["Conditions"].get("All") == left
    assert found["Resources"] == ({"R": {"Condition": "All"}} if left else {})


@pytest.mark.parametrize("condition", [{"Fn::Not": [{"Fn::Or": []}]}, {"Fn::Or": []}])
def test_a_condition_that_would_be_guessed_at_is_refused(condition: dict[str, Any]) -> None:
    template = {"Parameters": {}, "Conditions": {"There": CONDITIONS["There"], "New": condition}, "Resources": {}}
    with pytest.raises(ValueError, match="unknown condition"):
        settled(template, {})
