"""Create a contact or a deal with the required fields, then save it."""

import crm_schema
import parsekit
from parsekit import PFObject, PFUser


# func createDeal(title: String, stage: String = "lead", amount: Double? = nil) async throws {
#     let deal = PFObject(className: "Deal")
#     deal["title"] = title
#     deal["stage"] = stage
#     if let amount = amount { deal["amount"] = amount }
#     try await deal.save()
# }
def create_deal(title: str, stage: str = "lead", amount: float | None = None) -> PFObject:
    deal = PFObject("Deal")
    deal["title"] = title
    deal["stage"] = stage
    if amount is not None:
        deal["amount"] = amount
    deal.save()
    return deal


# func createContact(name: String, email: String? = nil, phone: String? = nil) async throws {
#     let contact = PFObject(className: "Contact")
#     contact["name"] = name
#     if let email = email { contact["email"] = email }
#     if let phone = phone { contact["phone"] = phone }
#     try await contact.save()
# }
def create_contact(name: str, email: str | None = None, phone: str | None = None) -> PFObject:
    contact = PFObject("Contact")
    contact["name"] = name
    if email is not None:
        contact["email"] = email
    if phone is not None:
        contact["phone"] = phone
    contact.save()
    return contact


def main() -> None:
    with parsekit.open(":memory:", schema=crm_schema.SCHEMA):
        PFUser.sign_up("ada", email="ada@example.com", password="correct horse")
        deal = create_deal("Renewal", amount=1200)
        print(f"{deal['title']}: {deal['stage']}, {deal['amount']}")
        contact = create_contact("Grace", email="grace@example.com")
        print(f"{contact['name']}: {contact['email']}")


if __name__ == "__main__":
    main()
