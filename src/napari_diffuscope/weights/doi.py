"""Where the file of a DOI lies, as its archive says (Zenodo, Figshare, Dataverse). Free of torch."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Thread

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.weights.web import PATIENCE

_POLL = 0.05


def resolved(address: str) -> Job[str]:
    """Ask where a file is; the job can be left at any moment.

    Parameters
    ----------
    address
        ``doi:10.5281/zenodo.123/FILE``.

    Returns
    -------
    str
        The address of the file on the web.

    Raises
    ------
    DiffuscopeError
        If there is no such DOI, no such file under it, the archive is none that can be asked, or nobody answers.
    """
    doi, _, file = address[len("doi:") :].rpartition("/")
    answer: Future[str] = Future()
    Thread(target=_ask, args=(doi, file, answer), daemon=True, name="diffuscope-doi").start()
    while not answer.done():
        yield Update(0, 0, f"Asking where {doi} leads")
        try:
            answer.exception(timeout=_POLL)
        except TimeoutError:
            continue
    error = answer.exception()
    if error is not None:
        raise _in_words(error, doi, file) from error
    return answer.result()


def _ask(doi: str, file: str, answer: Future[str]) -> None:
    from pooch.downloaders import doi_to_repository

    try:
        answer.set_result(doi_to_repository(doi, timeout=(PATIENCE, PATIENCE)).download_url(file))
    except BaseException as error:  # it is raised where somebody waits
        answer.set_exception(error)


def _in_words(error: BaseException, doi: str, file: str) -> DiffuscopeError:
    """What pooch or requests raised, as a sentence."""
    import requests

    look = f"look at https://doi.org/{doi}"
    if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
        code = error.response.status_code
        if code in (404, 410):
            return DiffuscopeError(f"There is no DOI {doi} ({code}); compare it with the paper.")
        return DiffuscopeError(
            f"Where {doi} leads is not told just now ({code}); {look}, or try again later."
        )
    if isinstance(error, requests.exceptions.RequestException) and not isinstance(error, ValueError):
        return DiffuscopeError(
            f"Nobody could be asked where {doi} leads; check the connection and try again."
        )
    if isinstance(error, ValueError) and "Invalid data repository" in str(error):
        return DiffuscopeError(
            f"{doi} leads to an archive that cannot be asked for files (only Zenodo, Figshare and Dataverse can); "
            f"{look}, download the file there and import it."
        )
    if isinstance(error, ValueError) and "not found" in str(error):
        return DiffuscopeError(
            f"There is no file {quoted(file)} under the DOI {doi}; {look} for what its files are called."
        )
    return DiffuscopeError(
        f"The archive of {doi} does not say where {quoted(file)} is; {look}, download it there and import the file."
    )
