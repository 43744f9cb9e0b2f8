"""Errors of the service; `status` is what HTTP says (RFC 9110, section 15)."""

from __future__ import annotations

from typing import ClassVar

from imageport.model.errors import ImageportError
from imageport.wire.connector import LEASE_LOST


class ServiceError(ImageportError):
    """Base of every error that the API answers with."""

    status: ClassVar[int] = 500


class StoreUnavailable(ServiceError):
    """The database does not answer, or is too busy."""

    status = 503
    code = "store.unavailable"
    sentence = "The service's database cannot be used at the moment: {detail}."
    remedy = "Send the request again in a few seconds, with the same Idempotency-Key."


class StoreOutdated(ServiceError):
    """The database was made by another version."""

    code = "store.outdated"
    sentence = "The database {url} has the tables of version {found}; this service needs {needed}."
    remedy = (
        "`imageport serve` brings it to its version at the start; a newer one needs that version."
    )


class NotFound(ServiceError):
    """There is no such thing, or it is another customer's."""

    status = 404
    code = "service.not-found"
    sentence = "There is no {what} {id}."
    remedy = "List what there is; ended jobs are forgotten after their time."


class Exists(ServiceError):
    """The name is taken."""

    status = 409
    code = "service.exists"
    sentence = "There is a {what} {id} already."
    remedy = "Choose another name, or change the one that is there."


class InUse(ServiceError):
    """Something else still needs it."""

    status = 409
    code = "service.in-use"
    sentence = "The {what} {id} is in use by {by}."
    remedy = "Wait for the jobs that use it to end, or cancel them; remove what belongs to it."


class LeaseLost(ServiceError):
    """A connector speaks for a job that it does not hold (any more)."""

    status = 409
    code = LEASE_LOST
    sentence = "The job {job} is not held with fence {fence}."
    remedy = "Stop working on it: the job has ended, or another connector has it."


class Conflict(ServiceError):
    """What was asked for does not fit the present state."""

    status = 409
    code = "service.conflict"
    sentence = "{detail}."
    remedy = "Read the present state, and ask for what fits it."


class KeyReused(ServiceError):
    """An Idempotency-Key came with another request before."""

    status = 422
    code = "request.key-reused"
    sentence = "The Idempotency-Key {key} was used for another request."
    remedy = "Use a new key for each request; repeat a key only with the very same request."


class Invalid(ServiceError):
    """The request says what the API does not understand."""

    status = 422
    code = "request.invalid"
    sentence = "The request is not valid: {detail}."
    remedy = "Correct the fields that `data.errors` names; /ips/openapi.json describes them all."


class Malformed(ServiceError):
    """The request cannot be read at all."""

    status = 400
    code = "request.malformed"
    sentence = "The request cannot be read: {detail}."
    remedy = "Send what /ips/openapi.json describes."


class TooLarge(ServiceError):
    """The body is larger than any request of this kind."""

    status = 413
    code = "request.too-large"
    sentence = "The body is larger than {limit} bytes."
    remedy = "Send less; disks are named in a request, never sent in it."


class TooMany(ServiceError):
    """Requests come faster than this caller may send them."""

    status = 429
    code = "request.too-many"
    sentence = "Too many requests; the next may come in {seconds} s."
    remedy = "Wait for as long as Retry-After says."


class NotAuthenticated(ServiceError):
    """Nobody is known by this token."""

    status = 401
    code = "auth.token"
    sentence = "The request is not authenticated: {detail}."
    remedy = (
        "Get a token with POST /cctrustoauth2/{{customerId}}/tokens/clients, and send it as "
        "`Authorization: CwsAuth Bearer=TOKEN` or `Authorization: Bearer TOKEN`."
    )


class NotAllowed(ServiceError):
    """The caller's role does not cover this."""

    status = 403
    code = "auth.role"
    sentence = "This needs the role {needed}; yours is {role}."
    remedy = "Ask an administrator of your organisation for a client with that role."


class WrongCustomer(ServiceError):
    """`Citrix-CustomerId` is not the token's customer."""

    status = 403
    code = "auth.customer"
    sentence = "The header Citrix-CustomerId names {customer}, which is not the token's customer."
    remedy = "Send the customer id that the token was issued for."


class WrongSecret(ServiceError):
    """Client id, secret or customer do not fit together."""

    status = 401
    code = "auth.secret"
    sentence = "There is no client with this id and secret."
    remedy = "Check customer id, client id and secret; an administrator can make a new client."


class SecretUnreadable(ServiceError):
    """A sealed secret does not open with the keys at hand."""

    code = "wallet.unreadable"
    sentence = "The secret of {what} cannot be opened."
    remedy = "Start the service with the master key that it was sealed under."


class MasterKeyMissing(SecretUnreadable):
    """A key is wrapped by a master key that this service was not given."""

    code = "wallet.master-key-missing"
    sentence = "The {what} is wrapped by the master key {master}, which the service does not have."
    remedy = "Name that master key, too, after the newest one: docs/operations.md says how."


class KeyServiceError(ServiceError):
    """The key service does not do what the wallet needs; what needs no wallet goes on."""

    status = 503


class KeyServiceAway(KeyServiceError):
    """It does not answer, or cannot at the moment."""

    code = "wallet.key-service"
    sentence = "The key service {service} cannot be used at the moment: {detail}."
    remedy = "Send the request again in a few seconds, with the same Idempotency-Key."


class KeyServiceRefused(KeyServiceError):
    """It answers, and says no."""

    code = "wallet.key-refused"
    sentence = "The key service {service} refuses the master key to the service: {detail}."
    remedy = (
        "Whoever runs the service: check the key's state, and the rights and credentials that the "
        "service has; its log has the key service's own words."
    )


class MasterKeyMisnamed(ServiceError):
    """What --master-key says names no master key."""

    code = "wallet.master-key-name"
    sentence = "The master key {said} cannot be used: {detail}."
    remedy = (
        "Give a FILE, aws-kms:KEY with the key's ARN, id or alias/NAME, or vault:MOUNT/KEY with "
        "VAULT_ADDR set; docs/operations.md has an example of each."
    )


class MasterKeyInvalid(ServiceError):
    """The master key is missing or not a key."""

    code = "wallet.master-key"
    sentence = "The master key from {source} cannot be used: {detail}."
    remedy = (
        "Give lines of a key's id, a space and base64 of 32 random bytes, the newest first; "
        "a file must have mode 0600."
    )


class PasswordInUrl(ServiceError):
    """A secret stands where every process of the computer can read it."""

    code = "store.password-in-url"
    sentence = "The database's URL has a password in it, which every list of processes shows."
    remedy = "Leave it out, and put it into ~/.pgpass, or into a file that PGPASSFILE names."
