"""Query contacts and deals, and filter deals by stage for the pipeline."""

from datetime import UTC, datetime

import crm_schema
import parsekit
from parsekit import PFObject, PFQuery, PFUser


# func getDeals(stage: String = "qualified") async throws -> [PFObject] {
#     let query = PFQuery(className: "Deal")
#     query.whereKey("stage", equalTo: stage)
#     query.order(byAscending: "expectedCloseDate")
#     return try await query.findObjects()
# }
def get_deals(stage: str = "qualified") -> list[PFObject]:
    query = PFQuery("Deal")
    query.where_key("stage", equal_to=stage)
    query.order_by_ascending("expectedCloseDate")
    return query.find()


# func getContacts() async throws -> [PFObject] {
#     let query = PFQuery(className: "Contact")
#     return try await query.findObjects()
# }
def get_contacts() -> list[PFObject]:
    query = PFQuery("Contact")
    return query.find()


def main() -> None:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA):
        PFUser.sign_up("ada", email="ada@example.com", password="correct horse")
        PFObject("Contact", name="Grace").save()
        for title, day in (("Renewal", 20), ("Upgrade", 10)):
            close = datetime(2025, 3, day, tzinfo=UTC)
            PFObject("Deal", title=title, stage="qualified", expectedCloseDate=close).save()
        for deal in get_deals():
            print(f"{deal['expectedCloseDate']:%Y-%m-%d} {deal['title']}")
        for contact in get_contacts():
            print(contact["name"])


if __name__ == "__main__":
    main()
