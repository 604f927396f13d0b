import pytest
from django.db import connection

from config import schema

pytestmark = pytest.mark.django_db


def test_migrated_database_fits():
    assert schema.fits()


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE delivery_ratehold",
        "ALTER TABLE integrations_source DROP COLUMN region",
        "ALTER TABLE delivery_lane ADD COLUMN mood text NOT NULL DEFAULT ''",
        "DROP INDEX batch_open",
        "ALTER TABLE delivery_attempt DROP CONSTRAINT attempt_number_once",
    ],
)
def test_database_with_something_else_than_the_models_does_not_fit(change):
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert not schema.fits()


def test_fits_is_two_queries(django_assert_num_queries):
    with django_assert_num_queries(2):
        schema.fits()
