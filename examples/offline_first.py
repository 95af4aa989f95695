"""Pin deals for offline use, ask the local datastore for them by stage, and unpin them."""

from datetime import UTC, datetime

import crm_schema
import parsekit
from parsekit import PFObject, PFQuery, PFUser


# // After fetch, pin for offline
# try? await PFObject.pinAll(deals)
def pin_for_offline(deals: list[PFObject]) -> None:
    PFObject.pin_all(deals)


# // Query from local datastore
# let query = PFQuery(className: "Deal").fromLocalDatastore()
# query.whereKey("stage", equalTo: "qualified")
# query.order(byAscending: "expectedCloseDate")
# let localDeals = try? await query.findObjects()
def local_deals() -> list[PFObject]:
    query = PFQuery("Deal").from_local_datastore()
    query.where_key("stage", equal_to="qualified")
    query.order_by_ascending("expectedCloseDate")
    return query.find()


# // Unpin
# try? await PFObject.unpinAllObjects(inBackground: "Deal")
def unpin_all() -> None:
    # "Deal" is the name of a pin, not of a class: what was pinned without a name is under the default pin, and stays.
    PFObject.unpin_all_objects("Deal")


def main() -> None:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA, local_datastore=":memory:") as engine:
        PFUser.sign_up("ada", email="ada@example.com", password="correct horse")
        for title, day in (("Renewal", 20), ("Upgrade", 10)):
            close = datetime(2025, 3, day, tzinfo=UTC)
            PFObject("Deal", title=title, stage="qualified", expectedCloseDate=close).save()
        pin_for_offline(PFQuery("Deal").find())
        for deal in local_deals():
            print(f"{deal['expectedCloseDate']:%Y-%m-%d} {deal['title']}")
        unpin_all()
        print(
            len(local_deals()),
            "after unpinning the pin Deal:",
            engine.local_datastore.why(local_deals()[0])[0].pin,
        )
        PFObject.unpin_all_objects()
        print(len(local_deals()), "after unpinning the default pin")


if __name__ == "__main__":
    main()
