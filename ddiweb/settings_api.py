"""The API's settings: Django REST framework, its tokens (knox) and its schema (drf-spectacular)."""

from typing import Any

TOKEN_MODEL = "api.ApiToken"  # noqa: S105 - a model, no password
TOKENS = {
    "TOKEN_TTL": None,
    "AUTH_HEADER_PREFIX": "Token",
    "TOKEN_MODEL": TOKEN_MODEL,
    "TOKEN_PREFIX": "ddiweb_",
}
SCHEMA = {
    "TITLE": "ddiweb",
    "DESCRIPTION": "Trunks, numbers, peers, tokens and deployments of Asterisk nodes.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "DeploymentState": "ddiweb.deploy.api.STATES",
        "TokenState": "peers.choices.TokenState",
        "StepKind": "peers.choices.StepKind",
        "Cause": "peers.choices.Cause",
        "Final": "peers.choices.Final",
        "Anonymous": "peers.choices.Anonymous",
        "Show": "peers.choices.Show",
        "Codec": "peers.choices.Codec",
        "Carrier": "peers.choices.Carrier",
        "Transport": "peers.choices.Transport",
        "SignIn": "peers.choices.SignIn",
        "TrunkTransport": "peers.choices.TrunkTransport",
        "CallerHeader": "peers.choices.CallerHeader",
        "PhoneFormat": "peers.choices.PhoneFormat",
        "HostKind": "peers.choices.HostKind",
        "ServiceProtocol": "firewall.api.SERVICE_PROTOCOLS",
        "PacketProtocol": "firewall.question_model.PROTOCOLS",
        "AddressState": "peers.api.hosts.STATES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ddiweb.api.schema.add_problems",
    ],
}


def rest_framework(proxies: int) -> dict[str, Any]:
    """Whom the API believes and what it reads and writes; ``proxies`` stand before the panel."""
    return {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "ddiweb.api.authentication.ApiTokenAuthentication",
            "rest_framework.authentication.SessionAuthentication",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["ddiweb.api.permissions.ModelPermissions"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["ddiweb.api.parsers.BoundedJSONParser"],
        "DEFAULT_PAGINATION_CLASS": "ddiweb.api.pagination.Pages",
        "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        "DEFAULT_METADATA_CLASS": None,
        "DEFAULT_THROTTLE_CLASSES": [
            "rest_framework.throttling.AnonRateThrottle",
            "rest_framework.throttling.UserRateThrottle",
        ],
        "DEFAULT_THROTTLE_RATES": {"anon": "60/min", "user": "1200/min"},
        # As for AXES_CLIENT_IP_CALLABLE: without it X-Forwarded-For is believed whoever sent it.
        "NUM_PROXIES": proxies,
        "EXCEPTION_HANDLER": "ddiweb.api.errors.exception_handler",
        "URL_FORMAT_OVERRIDE": None,
        "TEST_REQUEST_DEFAULT_FORMAT": "json",
    }
