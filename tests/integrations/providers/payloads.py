"""What each email provider posts, built from the fields that it documents, with the signature that it makes.

A builder takes the kind of event and the mark of the email as it comes back from the provider, and gives the request.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
EPOCH = int(AT.timestamp())
TO = "ada@customer.test"
READER_IP = "203.0.113.9"
AGENT = "Mozilla/5.0 (X11; Linux x86_64)"
LINK = "https://acme.test/news?a=1&b=2"
SECRET = "hook:a-shared-secret-of-the-tests"
KEY = "a-signing-key-of-the-tests"
WEBHOOK_HOST = "https://testserver"

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def public_text(key):
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "".join(pem.decode().splitlines()[1:-1])


SETTINGS = {
    "WEBHOOK_SECRET": SECRET,
    "MAILERSEND_SIGNING_SECRET": KEY,
    "MAILGUN_WEBHOOK_SIGNING_KEY": KEY,
    "MAILTRAP_TRACKING_SECRET": KEY,
    "MANDRILL_WEBHOOK_KEY": KEY,
    "POSTAL_WEBHOOK_KEY": public_text(RSA_KEY),
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": public_text(EC_KEY),
    "UNISENDER_GO_API_KEY": KEY,
}


@dataclass
class Posted:
    path: str
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def iso(moment=AT):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def signed(key, message, digest=hashlib.sha256):
    return hmac.new(key.encode(), message, digest)


def amazon_ses(kind, mark):
    event = {
        "delivered": {"eventType": "Delivery", "delivery": {"recipients": [TO], "smtpResponse": "250 OK"}},
        "bounced": {
            "eventType": "Bounce",
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": TO, "diagnosticCode": "550"}],
            },
        },
        "opened": {"eventType": "Open", "open": {"ipAddress": READER_IP, "userAgent": AGENT, "timestamp": iso()}},
        "clicked": {
            "eventType": "Click",
            "click": {"ipAddress": READER_IP, "userAgent": AGENT, "link": LINK, "timestamp": iso()},
        },
        "complained": {"eventType": "Complaint", "complaint": {"complainedRecipients": [{"emailAddress": TO}]}},
        "queued": {"eventType": "Send", "send": {}},
    }[kind]
    headers = [{"name": "X-Metadata", "value": json.dumps({"headwater": mark})}]
    event["mail"] = {"messageId": "0100", "sourceIp": "198.51.100.1", "destination": [TO], "headers": headers}
    message = {
        "Type": "Notification",
        "MessageId": f"sns-{kind}",
        "TopicArn": "arn:aws:sns:us-east-1:1:t",
        "Message": json.dumps(event),
        "Timestamp": iso(),
    }
    sns = {"X-Amz-Sns-Message-Type": "Notification", "X-Amz-Sns-Message-Id": f"sns-{kind}"}
    return Posted("amazon_ses/tracking/", json.dumps(message).encode(), "text/plain; charset=UTF-8", sns)


def brevo(kind, mark):
    names = {
        "delivered": "delivered",
        "bounced": "hard_bounce",
        "opened": "unique_opened",
        "clicked": "click",
        "complained": "spam",
        "unsubscribed": "unsubscribe",
        "queued": "request",
    }
    event = {
        "event": names[kind],
        "email": TO,
        "id": 26224,
        "ts_epoch": EPOCH * 1000,
        "message-id": "<1@smtp-relay>",
        "X-Mailin-custom": json.dumps({"headwater": mark}),
        "sending_ip": "198.51.100.1",
    }
    return Posted("brevo/tracking/", json.dumps(event | ({"link": LINK} if kind == "clicked" else {})).encode())


def mailersend(kind, mark):
    names = {
        "delivered": "delivered",
        "bounced": "hard_bounced",
        "opened": "opened",
        "clicked": "clicked",
        "complained": "spam_complaint",
        "unsubscribed": "unsubscribed",
        "queued": "sent",
    }
    morphs = {
        "opened": {"object": "open", "ip": READER_IP},
        "clicked": {"object": "click", "ip": READER_IP, "url": LINK},
    }
    data = {
        "object": "activity",
        "id": f"activity-{kind}",
        "type": names[kind],
        "created_at": iso(),
        "email": {
            "message": {"object": "message", "id": "m-1"},
            "recipient": {"object": "recipient", "email": TO},
            "tags": ["news", f"headwater.{mark}"],
        },
        "morph": morphs.get(kind),
    }
    body = json.dumps({"type": f"activity.{names[kind]}", "created_at": iso(), "data": data}).encode()
    return Posted("mailersend/tracking/", body, headers={"Signature": signed(KEY, body).hexdigest()})


def mailgun(kind, mark):
    names = {
        "delivered": "delivered",
        "bounced": "failed",
        "opened": "opened",
        "clicked": "clicked",
        "complained": "complained",
        "unsubscribed": "unsubscribed",
        "queued": "accepted",
    }
    data = {
        "event": names[kind],
        "id": f"event-{kind}",
        "timestamp": EPOCH,
        "recipient": TO,
        "message": {"headers": {"message-id": "1@acme.test"}},
        "user-variables": {"headwater": mark},
    }
    if kind in {"opened", "clicked", "complained", "unsubscribed"}:
        data |= {"ip": READER_IP, "client-info": {"user-agent": AGENT, "client-type": "browser"}}
    if kind == "clicked":
        data["url"] = LINK
    if kind == "bounced":
        data |= {"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "message": "no"}}
    if kind == "delivered":
        data["envelope"] = {"sending-ip": "198.51.100.1"}
    token = f"token-{kind}"
    signature = {
        "timestamp": str(EPOCH),
        "token": token,
        "signature": signed(KEY, f"{EPOCH}{token}".encode()).hexdigest(),
    }
    return Posted("mailgun/tracking/", json.dumps({"signature": signature, "event-data": data}).encode())


def mailjet(kind, mark):
    names = {
        "delivered": "sent",
        "bounced": "bounce",
        "opened": "open",
        "clicked": "click",
        "complained": "spam",
        "unsubscribed": "unsub",
    }
    event = {
        "event": names[kind],
        "time": EPOCH,
        "MessageID": 19421777835146490,
        "email": TO,
        "Payload": json.dumps({"headwater": mark}),
        "smtp_reply": "250 OK",
    }
    if kind in {"opened", "clicked", "unsubscribed"}:
        event |= {"ip": READER_IP, "agent": AGENT, "geo": "FR"}
    if kind == "clicked":
        event["url"] = LINK
    if kind == "bounced":
        event |= {"hard_bounce": True, "error_related_to": "recipient", "error": "user unknown"}
    return Posted("mailjet/tracking/", json.dumps([event]).encode())


def mailtrap(kind, mark):
    names = {
        "delivered": "delivery",
        "bounced": "bounce",
        "opened": "open",
        "clicked": "click",
        "complained": "spam",
        "unsubscribed": "unsubscribe",
        "deferred": "soft bounce",
    }
    event = {
        "event": names[kind],
        "timestamp": EPOCH,
        "sending_stream": "transactional",
        "email": TO,
        "message_id": "m-1",
        "event_id": f"event-{kind}",
        "custom_variables": {"headwater": mark},
    }
    if kind in {"opened", "clicked", "unsubscribed"}:
        event |= {"ip": READER_IP, "user_agent": AGENT}
    if kind == "clicked":
        event["url"] = LINK
    body = json.dumps({"events": [event]}).encode()
    return Posted("mailtrap/tracking/", body, headers={"Mailtrap-Signature": signed(KEY, body).hexdigest()})


def mandrill(kind, mark):
    names = {
        "bounced": "hard_bounce",
        "opened": "open",
        "clicked": "click",
        "complained": "spam",
        "unsubscribed": "unsub",
        "sent": "send",
    }
    message = {"_id": "m-1", "email": TO, "metadata": {"headwater": mark}, "tags": []}
    event = {"event": names[kind], "_id": "m-1", "ts": EPOCH, "msg": message}
    if kind in {"opened", "clicked"}:
        event |= {"ip": READER_IP, "user_agent": AGENT}
    if kind == "clicked":
        event["url"] = LINK
    events = json.dumps([event])
    # Mandrill signs the address as it was given to it, the shared secret included.
    address = WEBHOOK_HOST.replace("://", f"://{SECRET}@") + "/webhooks/email/mandrill/"
    signature = signed(KEY, f"{address}mandrill_events{events}".encode(), hashlib.sha1).digest()
    return Posted(
        "mandrill/",
        urlencode({"mandrill_events": events}).encode(),
        "application/x-www-form-urlencoded",
        {"X-Mandrill-Signature": b64encode(signature).decode()},
    )


def postal(kind, mark):
    message = {"id": 12, "token": "t", "direction": "outgoing", "to": TO, "tag": f"headwater.{mark}"}
    payload = {
        "delivered": {"message": message, "status": "Sent", "output": "250 OK"},
        "bounced": {"original_message": message, "bounce": {"id": 13}},
        "clicked": {"message": message, "url": LINK, "ip_address": READER_IP, "user_agent": AGENT},
        "deferred": {"message": message, "status": "SoftFail"},
    }[kind]
    body = json.dumps({"event": "Message", "timestamp": EPOCH, "uuid": f"uuid-{kind}", "payload": payload}).encode()
    signature = RSA_KEY.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  # Postal signs with SHA-1
    return Posted("postal/tracking/", body, headers={"X-Postal-Signature": b64encode(signature).decode()})


def postmark(kind, mark):
    event = {
        "delivered": {"RecordType": "Delivery", "Recipient": TO, "DeliveredAt": iso()},
        "bounced": {"RecordType": "Bounce", "Type": "HardBounce", "ID": 42, "Email": TO, "BouncedAt": iso()},
        "opened": {
            "RecordType": "Open",
            "Recipient": TO,
            "ReceivedAt": iso(),
            "UserAgent": AGENT,
            "Geo": {"IP": READER_IP},
        },
        "clicked": {
            "RecordType": "Click",
            "Recipient": TO,
            "ReceivedAt": iso(),
            "UserAgent": AGENT,
            "OriginalLink": LINK,
            "Geo": {"IP": READER_IP},
        },
        "complained": {
            "RecordType": "SpamComplaint",
            "Type": "SpamComplaint",
            "ID": 43,
            "Email": TO,
            "BouncedAt": iso(),
        },
        "unsubscribed": {
            "RecordType": "SubscriptionChange",
            "Recipient": TO,
            "SuppressSending": True,
            "SuppressionReason": "ManualSuppression",
            "ChangedAt": iso(),
        },
    }[kind]
    return Posted(
        "postmark/tracking/", json.dumps(event | {"MessageID": "m-1", "Metadata": {"headwater": mark}}).encode()
    )


def resend(kind, mark):
    names = {
        "delivered": "delivered",
        "bounced": "bounced",
        "opened": "opened",
        "clicked": "clicked",
        "complained": "complained",
        "sent": "sent",
    }
    data = {
        "email_id": "m-1",
        "created_at": iso(),
        "to": [TO],
        "headers": [{"name": "X-Metadata", "value": json.dumps({"headwater": mark})}],
    }
    if kind == "bounced":
        data["bounce"] = {"message": "The recipient's email provider sent a hard bounce message."}
    if kind == "clicked":
        data["click"] = {"ipAddress": READER_IP, "link": LINK, "timestamp": iso(), "userAgent": AGENT}
    body = json.dumps({"type": f"email.{names[kind]}", "created_at": iso(), "data": data}).encode()
    return Posted("resend/tracking/", body, headers={"svix-id": f"msg-{kind}"})


def sendgrid(kind, mark):
    names = {
        "delivered": "delivered",
        "bounced": "bounce",
        "opened": "open",
        "clicked": "click",
        "complained": "spamreport",
        "unsubscribed": "unsubscribe",
        "queued": "processed",
    }
    event = {
        "event": names[kind],
        "email": TO,
        "timestamp": EPOCH,
        "smtp-id": "<1@acme.test>",
        "sg_event_id": f"event-{kind}",
        "sg_message_id": "m-1.filter",
        "headwater": mark,
        "ip": "198.51.100.1" if kind in {"delivered", "bounced"} else READER_IP,
    }
    if kind in {"opened", "clicked"}:
        event["useragent"] = AGENT
    if kind == "clicked":
        event["url"] = LINK
    body = json.dumps([event]).encode()
    signature = EC_KEY.sign(str(EPOCH).encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": str(EPOCH),
    }
    return Posted("sendgrid/tracking/", body, headers=headers)


def sparkpost(kind, mark):
    names = {
        "delivered": ("message_event", "delivery"),
        "bounced": ("message_event", "bounce"),
        "opened": ("track_event", "open"),
        "clicked": ("track_event", "click"),
        "complained": ("message_event", "spam_complaint"),
        "unsubscribed": ("unsubscribe_event", "list_unsubscribe"),
        "queued": ("message_event", "injection"),
    }
    group, name = names[kind]
    event = {
        "type": name,
        "event_id": f"event-{kind}",
        "timestamp": str(EPOCH),
        "raw_rcpt_to": TO,
        "transmission_id": "t-1",
        "rcpt_meta": {"headwater": mark},
    }
    if kind == "bounced":
        event |= {"bounce_class": "10", "raw_reason": "550 no"}
    if kind in {"opened", "clicked"}:
        event |= {"ip_address": READER_IP, "user_agent": AGENT}
    if kind == "clicked":
        event["target_link_url"] = LINK
    return Posted("sparkpost/tracking/", json.dumps([{"msys": {group: event}}]).encode())


def unisender_go(kind, mark):
    names = {
        "delivered": "delivered",
        "bounced": "hard_bounced",
        "opened": "opened",
        "clicked": "clicked",
        "complained": "spam",
        "unsubscribed": "unsubscribed",
        "sent": "sent",
    }
    data = {
        "job_id": "job-1",
        "metadata": {"headwater": mark},
        "email": TO,
        "status": names[kind],
        "event_time": AT.strftime("%Y-%m-%d %H:%M:%S"),
        "delivery_info": {"delivery_status": "err_user_unknown"} if kind == "bounced" else {},
    }
    if kind in {"opened", "clicked"}:
        data["delivery_info"] = {"user_agent": AGENT, "ip": READER_IP}
    if kind == "clicked":
        data["url"] = LINK
    event = {"event_name": "transactional_email_status", "event_data": data}
    body = json.dumps({"auth": KEY, "events_by_user": [{"user_id": 1, "events": [event]}]})
    auth = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return Posted("unisender_go/tracking/", body.replace(KEY, auth, 1).encode())


ALL_SIX = ("delivered", "bounced", "opened", "clicked", "complained", "unsubscribed")

PROVIDERS = {
    "Amazon SES": (amazon_ses, ALL_SIX[:5], "queued"),
    "Brevo": (brevo, ALL_SIX, "queued"),
    "MailerSend": (mailersend, ALL_SIX, "queued"),
    "Mailgun": (mailgun, ALL_SIX, "queued"),
    "Mailjet": (mailjet, ALL_SIX, None),
    "Mailtrap": (mailtrap, ALL_SIX, "deferred"),
    "Mandrill": (mandrill, ALL_SIX[1:], "sent"),
    "Postal": (postal, ("delivered", "bounced", "clicked"), "deferred"),
    "Postmark": (postmark, ALL_SIX, None),
    "Resend": (resend, ALL_SIX[:5], "sent"),
    "SendGrid": (sendgrid, ALL_SIX, "queued"),
    "SparkPost": (sparkpost, ALL_SIX, "queued"),
    "Unisender Go": (unisender_go, ALL_SIX, "sent"),
}
"""Builder, the kinds that the provider tells of, and one that is left out, if there is one to send."""
