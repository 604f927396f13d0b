class CampaignError(Exception):
    """Something the user asked for could not be done; the message says what to do, in a sentence for the page."""


class AlreadySentError(CampaignError):
    """The campaign's sending has begun: it can neither be changed nor sent from the start again."""


class MailServerError(CampaignError):
    """The mail server could not be reached or would not go on. What it took before stays sent."""


class BrokenLinkError(CampaignError):
    """A link of an email was changed on its way, or its message is gone."""
