"""What customers of the shop do, and one of the staff."""

from datetime import date
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from measure import delete_user
from oscar.apps.partner.strategy import Default
from oscar.core.loading import get_model
from oscar.test.factories import BillingAddressFactory, CountryFactory, ShippingAddressFactory, create_product
from oscar.test.factories import create_order as order_of
from oscar.test.factories.voucher import VoucherFactory
from persons import Person

delete = delete_user  # as customer.views.ProfileDeleteView


def make(app: str, model: str, **values: Any) -> Any:
    return get_model(app, model).objects.create(**values)


def basket_of(**values: Any) -> Any:
    """Return a basket with a lamp."""
    basket = make("basket", "Basket", **values)
    basket.strategy = Default()
    basket.add_product(get_model("catalogue", "Product").objects.get(upc="1"))
    return basket


def prepare() -> None:
    create_product(title="Lamp", upc="1", price=10, num_in_stock=99)
    CountryFactory()
    VoucherFactory()
    make("offer", "Range", name="All")
    make("payment", "SourceType", name="Card")
    make("catalogue", "Option", name="Colour", type="text")
    # What orders make once, and nobody's.
    order_of(number="0", basket=basket_of())


def sign_up(person: Person) -> None:
    User.objects.create_user(**person.columns, is_staff=True)


def act(person: Person) -> None:
    user, product = User.objects.get(pk=person.pk), get_model("catalogue", "Product").objects.get(upc="1")
    name = {"first_name": person.first_name, "last_name": person.last_name}
    country = get_model("address", "Country").objects.get()
    make("address", "UserAddress", user=user, line1="1 Road", postcode="N1 9GU", country=country, **name)
    make("payment", "Bankcard", user=user, card_type="Visa", number="4111111111111111", expiry_date=date(2030, 1, 1))
    make("analytics", "UserProductView", user=user, product=product)
    make("analytics", "UserSearch", user=user, query="lamp")
    make("communication", "Email", user=user, email=person.email, subject="Hello", body_text="Hello")
    make("communication", "Email", email=person.email, subject="Before you signed up", body_text="Hello")
    make("communication", "Notification", recipient=user, subject="Hello", body="Hello")
    make("customer", "ProductAlert", product=product, email=person.email, status="Active")
    make("customer", "ProductAlert", product=product, user=user)
    shelf = get_model("offer", "Range").objects.get(name="All")
    make("offer", "RangeProductFileUpload", range=shelf, uploaded_by=user, filepath="", size=0)
    wishes = make("wishlists", "WishList", owner=user)
    wishes.add(product)
    make("wishlists", "WishListSharedEmail", wishlist=wishes, email="aunt@example.net")
    make("reviews", "ProductReview", product=product, user=user, title="Good", body="Good", score=5)
    basket, option = basket_of(owner=user), get_model("catalogue", "Option").objects.get()
    basket.lines.get().attributes.create(option=option, value="red")
    for guest_email, owner in (("", user), (person.email, None)):
        order = order_of(
            number=f"{person.pk % 7}{len(guest_email)}",
            basket=basket_of(owner=owner),
            user=owner,
            shipping_address=ShippingAddressFactory(**name),
            billing_address=BillingAddressFactory(**name),
            guest_email=guest_email,
        )
        make("payment", "Source", order=order, source_type=get_model("payment", "SourceType").objects.get())
    get_model("voucher", "Voucher").objects.get().record_usage(user.orders.get(), user)
    LogEntry.objects.log_actions(user.pk, [product], CHANGE, single_object=True)


def meet(person: Person, other: Person) -> None:
    """Serve the other's order, write to them, vote for their review."""
    user, buyer = User.objects.get(pk=person.pk), User.objects.get(pk=other.pk)
    make("order", "OrderNote", order=buyer.orders.get(), user=user, message="Called")
    make("communication", "Notification", recipient=buyer, sender=user, subject="Sent", body="Sent")
    make("reviews", "Vote", review=buyer.reviews.get(), user=user, delta=1)
    make("wishlists", "WishListSharedEmail", wishlist=user.wishlists.get(), email=other.email)
