from django import template

from tenants.sessions import described

register = template.Library()
register.filter("browser", described)
