"""Update the stage when a deal moves in the pipeline, and delete a deal."""

import crm_schema
import parsekit
from parsekit import PFObject, PFQuery, PFUser


# func updateDealStage(objectId: String, stage: String) async throws {
#     let query = PFQuery(className: "Deal")
#     let deal = try await query.getObjectWithId(objectId)
#     deal["stage"] = stage
#     try await deal.save()
# }
def update_deal_stage(object_id: str, stage: str) -> None:
    query = PFQuery("Deal")
    deal = query.get(object_id)
    deal["stage"] = stage
    deal.save()


# func deleteDeal(objectId: String) async throws {
#     let query = PFQuery(className: "Deal")
#     let deal = try await query.getObjectWithId(objectId)
#     try await deal.delete()
# }
def delete_deal(object_id: str) -> None:
    query = PFQuery("Deal")
    deal = query.get(object_id)
    deal.delete()


def main() -> None:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA):
        PFUser.sign_up("ada", email="ada@example.com", password="correct horse")
        deal = PFObject("Deal", title="Renewal", stage="lead")
        deal.save()
        update_deal_stage(deal.object_id, "qualified")
        print(deal.fetch()["stage"])
        delete_deal(deal.object_id)
        print(PFQuery("Deal").count(), "deals")


if __name__ == "__main__":
    main()
