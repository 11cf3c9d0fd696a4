"""What the start of the kernel changes about a chain: arguments, modprobe.d, and the modules' own files."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from bootwright.foundation.knowledge import Kind
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.kernel.obstacles import obstacle_of
from bootwright.predict.model import Answer, Evidence, Link

_DEFERS = "device_links_check_suppliers"


@frozen
class KnownArgument:
    """An argument that may change the answer in a way that is not followed (`data/arguments/`)."""

    names: tuple[str, ...]
    reason: str
    source: str
    values: tuple[str, ...] = ()
    """Those that matter; empty for any."""


ARGUMENTS = Kind("arguments", "an argument's knowledge", KnownArgument)


def known_arguments() -> tuple[KnownArgument, ...]:
    """Every file of `data/arguments/` and the user's. Raises `Malformed` for one that is not in the form."""
    return tuple(ARGUMENTS.all().values())


def module_of(link: Link) -> str | None:
    """The module that a driver's link found, or None where it is built in or no driver's link."""
    if not link.needs.startswith("driver "):
        return None
    for mark in (": module: ", ": initramfs: "):
        _, separator, module = link.because.where.rpartition(mark)
        if separator:
            return module
    return None


def gated(kernel: KernelFacts, link: Link) -> Link:
    """A driver's link with what the kernel says to the very file of its module, and of those it needs."""
    module = module_of(link)
    if module is None or link.answer is not Answer.YES or kernel.checks is None or kernel.modules is None:
        return link
    refused = kernel.checks.by_file((*kernel.modules.closure(module, soft=False), module))
    if refused is None:
        return link
    refused_module = next(
        (
            name
            for name in kernel.modules.closure(module, soft=False)
            if kernel.modules.path(name) == refused.file
        ),
        module,
    )
    obstacle = obstacle_of(module, refused_module, refused)
    return evolve(
        link,
        answer=Answer.NO if obstacle.certain else Answer.UNKNOWN,
        because=Evidence(link.because.where, obstacle.rule),
        reason=obstacle.reason,
        remedy=obstacle.remedy,
    )


def loosened(kernel: KernelFacts, link: Link, own: frozenset[str]) -> Link:
    """With fw_devlink off or permissive, a driver is tried without its suppliers, with unknown result.

    `own` are the paths of the goal's device and of those that make it; what these lack themselves is a no.
    """
    mode = kernel.arguments.devlink
    if link.answer is not Answer.NO or mode not in {"off", "permissive"}:
        return link
    if link.node in own and not (link.needs.startswith("supplier:") and _DEFERS in link.because.rule):
        return link
    if link.node == "/":
        return link
    effect = f"fw_devlink={mode} ({kernel.arguments.source}) lets drivers try without it"
    return evolve(link, answer=Answer.UNKNOWN, reason=f"{link.reason}; {effect}")


def not_checked(kernel: KernelFacts, chain: tuple[Link, ...]) -> tuple[str, ...]:
    """What of the command line and of modprobe.d may matter to a chain and was not applied, with place."""
    modules = {module for link in chain if (module := module_of(link)) is not None}
    drivers = {link.needs.removeprefix("driver ") for link in chain if link.needs.startswith("driver ")}
    if kernel.modules is not None:
        modules |= {
            dependency
            for module in tuple(modules)
            for dependency in kernel.modules.closure(module, soft=False)
        }
    names = {name.replace("-", "_") for name in (*modules, *drivers)}
    reasons = [link.reason for link in chain if link.reason]
    applied = {
        name for name in kernel.arguments.stopped_initcalls if any(name in reason for reason in reasons)
    }
    return tuple(dict.fromkeys((*_of_arguments(kernel, names, applied), *_of_modprobe(kernel, modules))))


def _of_arguments(kernel: KernelFacts, names: set[str], applied: set[str]) -> Iterator[str]:
    """`names` are modules and drivers of the chain, `applied` functions whose absence breaks it."""
    arguments = kernel.arguments
    source = arguments.source
    for argument in arguments.items:
        owner, dot, _ = argument.name.partition(".")
        if dot and owner in names:
            yield f"{argument.text} ({source}): a parameter of {owner}, whose effect is not known"
        for known_argument in known_arguments():
            if argument.name in known_argument.names and (
                not known_argument.values or argument.value in known_argument.values
            ):
                yield f"{argument.text} ({source}): {known_argument.reason}"
    registered = {driver.registered_by for driver in kernel.built_in.drivers}
    for function in sorted(arguments.stopped_initcalls - registered - applied):
        of_modules = kernel.checks is not None and any(
            function in kernel.checks.init_functions(name)
            for name in names
            if kernel.modules is not None and name in kernel.modules
        )
        if not of_modules:
            yield f"initcall_blacklist={function} ({source}): what that function sets up is not known"
    for name in sorted(arguments.blocked):
        if "-" in name:
            yield (
                f"module_blacklist={name} ({source}): the kernel compares it with a name that has _ for -, "
                "so it forbids nothing"
            )


def _of_modprobe(kernel: KernelFacts, modules: set[str]) -> Iterator[str]:
    for config in (kernel.early_modprobe, kernel.root_modprobe):
        for directive in config.directives if config is not None else ():
            if directive.command == "sysctl":
                place = f"{directive.rest} ({directive.where})"
                yield f"{place}: it keeps out the modules that are not loaded by then"
            elif directive.module in modules and (
                directive.command == "options" or (directive.command == "install" and not directive.prevents)
            ):
                yield f"{directive} ({directive.where}): its effect on {directive.module} is not known"
