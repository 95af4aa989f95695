"""The complete model of a deal, typed. What `toDeal` does by hand, the typed class does for every object."""

from datetime import UTC, datetime

import crm_schema
import parsekit
from crm_schema import Deal
from parsekit import PFObject, PFQuery, PFUser

# struct Deal: Codable {
#     var objectId: String?
#     var title: String
#     var amount: Double?
#     var stage: String?
#     var expectedCloseDate: Date?
#     var contact: Pointer<ParseObject>?
#     var company: Pointer<ParseObject>?
#     var assignedTo: Pointer<_User>?
#     var createdAt: Date?
#     var updatedAt: Date?
# }
#
# crm_schema.Deal, which inherits what every object has (object_id, created_at, updated_at):
#
# class Deal(PFObject, class_name="Deal"):
#     title: str
#     amount: float | None = None
#     stage: Stage | None = None
#     contact: Contact | None = None
#     company: Company | None = None
#     expected_close_date: datetime | None = None
#     notes: str | None = None
#     assigned_to: User | None = None


# func toDeal(_ obj: PFObject) -> Deal {
#     Deal(
#         objectId: obj.objectId,
#         title: obj["title"] as? String ?? "",
#         amount: obj["amount"] as? Double,
#         stage: obj["stage"] as? String,
#         expectedCloseDate: obj["expectedCloseDate"] as? Date,
#         contact: obj["contact"] as? Pointer<ParseObject>,
#         company: obj["company"] as? Pointer<ParseObject>,
#         assignedTo: obj["assignedTo"] as? Pointer<_User>,
#         createdAt: obj.createdAt,
#         updatedAt: obj.updatedAt
#     )
# }
def to_deal(obj: PFObject) -> Deal:
    return PFQuery(Deal).get(obj.object_id)


def main() -> None:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA):
        ada = PFUser.sign_up("ada", email="ada@example.com", password="correct horse")
        close = datetime(2025, 3, 1, tzinfo=UTC)
        obj = PFObject("Deal", title="Renewal", amount=1200, expectedCloseDate=close, assignedTo=ada)
        obj.save()
        deal = to_deal(obj)
        print(f"{deal.title}: {deal.amount}, closes {deal.expected_close_date:%Y-%m-%d}")
        print(deal.assigned_to == ada, deal.stage, deal.company)
        # A query of the typed class needs no conversion at all.
        print([deal.title for deal in PFQuery(Deal).find()])


if __name__ == "__main__":
    main()
