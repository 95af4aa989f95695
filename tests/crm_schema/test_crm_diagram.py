"""The diagram and the data dictionary of the CRM are those of the template."""

import crm_schema
from parsekit import Schema, schema_from_json
from parsekit.diagram import dictionary_of, er_diagram, markdown_dictionary, stated_classes
from parsekit.schema import ClassSchema

# The template's diagram, each class with its fields in the order given there.
TEMPLATE_CLASSES = {
    "_User": "String objectId PK, String username, String email, String password, Date createdAt, "
    "Date updatedAt",
    "Company": "String objectId PK, String name, String website, String industry, String address, "
    "String notes, Pointer createdBy FK, Date createdAt, Date updatedAt",
    "Contact": "String objectId PK, String name, String email, String phone, Pointer company FK, "
    "String notes, Pointer createdBy FK, Date createdAt, Date updatedAt",
    "Deal": "String objectId PK, String title, Number amount, String stage, Pointer contact FK, "
    "Pointer company FK, Date expectedCloseDate, String notes, Pointer assignedTo FK, Date createdAt, "
    "Date updatedAt",
    "Activity": "String objectId PK, String type, String subject, String description, Date dueDate, "
    "Date completedAt, Pointer relatedTo FK, Pointer createdBy FK, Date createdAt, Date updatedAt",
}
TEMPLATE_RELATIONSHIPS = """
Company ||--o{ Contact : "has"
Company ||--o{ Deal : "has"
Contact ||--o{ Deal : "has"
_User ||--o{ Deal : "assignedTo"
_User ||--o{ Activity : "createdBy"
Contact ||--o{ Activity : "relatedTo"
Deal ||--o{ Activity : "relatedTo"
_User ||--o{ Company : "createdBy"
_User ||--o{ Contact : "createdBy"
"""


def parts(diagram):
    """The classes of a diagram with their fields, and its relationships."""
    lines = diagram.splitlines()
    assert lines[0] == "erDiagram"
    classes, relationships, name = {}, [], None
    for line in map(str.strip, lines[1:]):
        if line.endswith(" {"):
            name = line.removesuffix(" {")
            classes[name] = []
        elif line == "}":
            name = None
        elif name is None:
            relationships.append(line)
        else:
            classes[name].append(line)
    return classes, relationships


def test_the_diagram_is_the_templates():
    classes, relationships = parts(er_diagram(crm_schema.SCHEMA))
    assert list(classes) == list(TEMPLATE_CLASSES)
    assert {name: ", ".join(fields) for name, fields in classes.items()} == TEMPLATE_CLASSES
    assert sorted(relationships) == sorted(TEMPLATE_RELATIONSHIPS.split("\n")[1:-1])


def test_the_dictionary_is_the_templates():
    lines = markdown_dictionary(Schema([crm_schema.SCHEMA.get("Contact")])).splitlines()
    assert lines == [
        "## Contact",
        "",
        "| Field | Type | Description | Required |",
        "|---|---|---|---|",
        "| objectId | String | Auto-generated unique identifier | auto |",
        "| name | String | Full name of the contact | yes |",
        "| email | String | Email address | — |",
        "| phone | String | Phone number | — |",
        r"| company | Pointer\<Company> | Company this contact belongs to | — |",
        "| notes | String | Free-form notes | — |",
        r"| createdBy | Pointer\<_User> | User who created this contact | — |",
        "| createdAt | Date | Auto-generated creation timestamp | auto |",
        "| updatedAt | Date | Auto-generated last-update timestamp | auto |",
        "",
        "9 fields in Contact",
    ]


def test_every_class_has_its_dictionary():
    text = markdown_dictionary(crm_schema.SAMPLE_SCHEMA)
    assert text.count("\n## ") + 1 == len(crm_schema.SAMPLE_SCHEMA.classes)
    entry = next(e for e in dictionary_of(crm_schema.SCHEMA.get("Activity")) if e.field == "relatedTo")
    assert (entry.type, entry.required) == ("Pointer<Contact|Deal>", "no")
    assert r"Pointer\<Contact or Deal>" in text


def test_pointers_in_a_circle_and_relations_are_drawn():
    schema = schema_from_json(
        [
            {"className": "A", "fields": {"b": {"type": "Pointer", "targetClass": "B"}}},
            {
                "className": "B",
                "fields": {
                    "a": {"type": "Pointer", "targetClass": "A"},
                    "self": {"type": "Pointer", "targetClass": "B"},
                    "many": {"type": "Relation", "targetClass": "A"},
                },
            },
        ]
    )
    classes, relationships = parts(er_diagram(schema))
    assert list(classes) == ["B", "A"]
    assert "Relation many FK" in classes["B"]
    assert relationships == [
        'A ||--o{ B : "has"',
        'B ||--o{ B : "self"',
        'A }o--o{ B : "many"',
        'B ||--o{ A : "has"',
    ]


def test_system_classes_are_shown_where_they_matter():
    system = Schema([ClassSchema.new(name) for name in ("_User", "_Role", "_Session")])
    assert list(stated_classes(system.extended_with(crm_schema.SCHEMA)).classes) == [
        "_User",
        *[name for name in crm_schema.SCHEMA.classes if name != "_User"],
    ]
    assert list(stated_classes(system).classes) == []


def test_a_field_may_be_described_anywhere_in_the_schema():
    described = schema_from_json(
        {"className": "A", "fields": {"x": {"type": "String", "description": "a | b"}}}
    )
    assert r"| x | String | a \| b | — |" in markdown_dictionary(described)
    assert described.extended_with(
        schema_from_json({"className": "A", "fields": {"x": {"type": "String"}}})
    ) == (described)
