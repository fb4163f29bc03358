"""What happens to a customer of the shop."""

from django.contrib.auth.models import User
from oscar.core.loading import get_model

from jobs import JobContext
from jobs.erasure import anonymise, erase, keep, step, subject

TAX_LAW = "Tax law: ten years"
NOBODY = {"title": "", "first_name": "", "last_name": "erased", "line1": "erased", "line2": "", "line3": ""}
NOBODY |= {"line4": "", "state": "", "postcode": "", "search_text": "", "phone_number": "", "notes": ""}


def clear_deliveries(job: JobContext) -> None:
    """Clear the addresses to which orders went, which orders refer to; those of bills stay with them."""
    addresses, order = get_model("order", "ShippingAddress").objects, get_model("order", "Order").objects
    for column in ("user__email", "guest_email"):
        ids = order.filter(**{column: job.reference_id}).values("shipping_address_id")
        job.update(f"order.ShippingAddress by {column}", addresses.filter(pk__in=ids), **NOBODY)


user = subject(
    "user",
    step(clear_deliveries),
    erase(User, by="email", across_projects=True),
    erase("admin.LogEntry"),
    erase("address.UserAddress"),
    erase("payment.Bankcard"),
    erase("analytics.UserProductView"),
    erase("analytics.UserRecord"),
    erase("analytics.UserSearch"),
    erase("basket.Basket"),
    erase("basket.Line"),
    erase("basket.LineAttribute"),
    erase("wishlists.WishList"),
    erase("wishlists.Line"),
    erase("wishlists.WishListSharedEmail", by="email", across_projects=True),
    erase("communication.Email", by="email", across_projects=True),
    erase("communication.Notification"),
    erase("customer.ProductAlert", by="email", across_projects=True),
    erase("reviews.ProductReview", by="email", across_projects=True),
    erase("reviews.Vote"),
    erase("offer.RangeProductFileUpload"),
    anonymise("order.OrderNote", user=None),
    anonymise("voucher.VoucherApplication", user=None),
    keep("order.Order", by="guest_email", across_projects=True, because=TAX_LAW),
    keep("catalogue.ProductAttributeValue", because="Of products"),
)

delete_user_data = user.erase_action("delete_user_data", description="Delete the user {reference_id}", public=True)
