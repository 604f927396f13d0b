import pytest

from examples.campaigns.models import Message
from examples.campaigns.sending import Sent, fix_recipients, send_rest
from integrations.signals import EmailActivity, Recipient
from tenants.scoping import scope

pytestmark = pytest.mark.django_db


def test_send_rest_tells_of_each_delivery_once(tenant, draft, person, heard, mailoutbox):
    with scope(tenant.pk):
        fix_recipients(draft, [person])
        assert send_rest(draft) == Sent(delivered=1)
        assert send_rest(draft) == Sent()
        sent = Message.objects.get()
    assert [mail.to for mail in mailoutbox] == [["ada@customer.test"]]
    assert heard == [
        (
            "delivered",
            EmailActivity(
                tenant_id=tenant.pk,
                recipient=Recipient(email="ada@customer.test", tool_id=str(person.pk), user_id="user-1001"),
                occurred_at=sent.delivered_at,
                email_id=f"message-{sent.pk}",
                email_subject="Our news",
                campaign_id=f"campaign-{draft.pk}",
                campaign_name="Autumn",
            ),
        )
    ]
