"""What mails look like: subject, plain text and HTML of each letter, in both languages.

Owns the words and the headers; the templates are `templates/mail.*.j2`. The HTML is one column with its
styles in place and no image, so that it stays legible in Outlook, in dark mode, and where images are off.
Whatever people wrote (names and titles, nothing else) is escaped, on one line, short, and no address that
a mail program would make a link of. The Message-ID follows from the job alone: a mail that is sent again
after a crash is the same mail to whoever receives it. Called by `realtime.jobs.postman`.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from domain.accounts import Locale
from domain.jobs import Letter
from domain.mail import Prepared

MAX_WORDS = 80
"""Characters of a name or a title."""
_FOLDER = Path(__file__).parent / "templates"
_LINKS = re.compile(r"(?<=[^\s])([.:@/])(?=[^\s])")
_SPACE = "\u200b"

TEXTS: dict[Locale, dict[Letter, dict[str, str]]] = {
    "zh": {
        "reset": {
            "subject": "重设你的同游密码",
            "title": "重设密码",
            "lead": "{name}，你好！有人（很可能是你）想为你的同游账号设置新密码。",
            "action": "设置新密码",
            "note": "链接一小时内有效，只能使用一次。",
            "why": "如果不是你本人操作，请忽略这封邮件，你的密码不会改变。",
        },
        "changed": {
            "subject": "你的同游密码已更改",
            "title": "密码已更改",
            "lead": "{name}，你好！你的账号刚刚设置了新密码，其他设备都已退出登录。",
            "action": "登录",
            "note": "如果是你本人操作，无需再做什么。",
            "why": "如果不是你，请立刻在登录页点“忘记密码？”重新设置，并检查邮箱是否安全。",
        },
        "confirm": {
            "subject": "确认你的同游邮箱",
            "title": "确认邮箱",
            "lead": "{name}，你好！请确认这个邮箱属于你。打开链接并确认后，它就是你同游账号的邮箱。",
            "action": "确认邮箱",
            "note": "链接一天内有效，只能使用一次。",
            "why": "如果不是你本人操作，请忽略这封邮件，什么都不会改变。",
        },
        "in_use": {
            "subject": "这个邮箱已属于一个同游账号",
            "title": "邮箱已在使用",
            "lead": "有人（很可能是你）想把这个邮箱用于自己的同游账号，但它已属于另一个账号“{name}”。"
            "一个邮箱只能属于一个账号，所以什么都没有改变。",
            "action": "找回那个账号",
            "note": "想换到现在的账号？请先登录“{name}”，在设置里移除或更换邮箱；忘记密码可点上面的按钮。",
            "why": "如果不是你本人操作，请忽略这封邮件。对方不会得知这个邮箱已在使用。",
        },
        "moved": {
            "subject": "你的同游账号已更换邮箱",
            "title": "邮箱已更换",
            "lead": "{name}，你好！你的账号刚刚换成了另一个邮箱，之后的邮件不会再发到这里。",
            "action": "登录",
            "note": "如果是你本人操作，无需再做什么。",
            "why": "如果不是你，说明有人知道你的密码：请立刻用用户名登录，修改密码并改回邮箱。"
            "无法登录时，请联系本站的运营者。",
        },
        "unlinked": {
            "subject": "你的同游账号已移除邮箱",
            "title": "邮箱已移除",
            "lead": "{name}，你好！这个邮箱刚刚从你的账号移除，不能再用它登录或找回密码。",
            "action": "登录",
            "note": "如果是你本人操作，无需再做什么。",
            "why": "如果不是你，说明有人知道你的密码：请立刻用用户名登录，修改密码并重新添加邮箱。"
            "无法登录时，请联系本站的运营者。",
        },
        "invite": {
            "subject": "{inviter} 邀请你一起安排“{trip}”",
            "title": "{trip}",
            "lead": "{inviter} 邀请你加入这次旅行。加入后你可以{what}。",
            "action": "查看邀请",
            "note": "无需注册，用一个名字就能加入。链接是发给你的，请不要转给不认识的人。",
            "why": "同游应 {inviter} 的请求发送了这封邮件。如果你不认识对方，忽略它即可。",
        },
    },
    "en": {
        "reset": {
            "subject": "Set a new password for Tongyou",
            "title": "Set a new password",
            "lead": "Hello {name}, someone (most likely you) asked for a new password for your account.",
            "action": "Choose a new password",
            "note": "The link works for one hour, and only once.",
            "why": "If it was not you, ignore this mail. Your password stays as it is.",
        },
        "changed": {
            "subject": "Your Tongyou password was changed",
            "title": "Your password was changed",
            "lead": "Hello {name}, a new password was set for your account. All other devices have been "
            "signed out.",
            "action": "Sign in",
            "note": "If it was you, there is nothing to do.",
            "why": "If it was not you, use “Forgot your password?” on the sign-in page at once, and check "
            "that nobody else reads your mail.",
        },
        "confirm": {
            "subject": "Confirm your e-mail address for Tongyou",
            "title": "Confirm your e-mail address",
            "lead": "Hello {name}, please confirm that this address is yours. Once you have opened the link "
            "and confirmed, it is the address of your Tongyou account.",
            "action": "Confirm this address",
            "note": "The link works for one day, and only once.",
            "why": "If it was not you, ignore this mail. Nothing changes.",
        },
        "in_use": {
            "subject": "This address belongs to a Tongyou account already",
            "title": "This address is in use",
            "lead": "Someone (most likely you) wanted this address for their Tongyou account, but it belongs "
            "to another account already: {name}. An address belongs to one account only, so nothing has "
            "changed.",
            "action": "Find that account",
            "note": "To use the address for the other account, sign in to {name} first and remove or change "
            "it in the settings. The button helps if you have forgotten the password.",
            "why": "If it was not you, ignore this mail. Whoever it was does not learn that the address is "
            "in use.",
        },
        "moved": {
            "subject": "Your Tongyou account has another e-mail address",
            "title": "Your e-mail address was changed",
            "lead": "Hello {name}, your account has another e-mail address now. Mail about it does not come "
            "here any more.",
            "action": "Sign in",
            "note": "If it was you, there is nothing to do.",
            "why": "If it was not you, somebody knows your password: sign in with your user name at once, "
            "change the password, and put your address back. If you cannot sign in any more, ask whoever "
            "runs this site for help.",
        },
        "unlinked": {
            "subject": "Your Tongyou account has no e-mail address any more",
            "title": "Your e-mail address was removed",
            "lead": "Hello {name}, this address was removed from your account. It does not sign you in any "
            "more, and cannot be used to set a new password.",
            "action": "Sign in",
            "note": "If it was you, there is nothing to do.",
            "why": "If it was not you, somebody knows your password: sign in with your user name at once, "
            "change the password, and add your address again. If you cannot sign in any more, ask whoever "
            "runs this site for help.",
        },
        "invite": {
            "subject": "{inviter} invites you to plan “{trip}”",
            "title": "{trip}",
            "lead": "{inviter} invites you to this trip. You will be able to {what}.",
            "action": "See the invitation",
            "note": "No account needed, a name will do. This link is meant for you: do not pass it on to "
            "people you do not know.",
            "why": "Tongyou sent this mail because {inviter} asked for it. If you do not know them, ignore "
            "it; nothing more will follow from it.",
        },
    },
}
MAY: dict[Locale, dict[str, str]] = {
    "zh": {"editor": "编辑其中的一切", "viewer": "查看其中的一切"},
    "en": {"editor": "edit everything in it", "viewer": "see everything in it"},
}
SAYS: dict[Locale, dict[str, str]] = {
    "zh": {
        "app": "同游",
        "raw": "按钮打不开？请把这个地址复制到浏览器：",
        "site": "这封邮件由系统自动发送，请不要回复。",
    },
    "en": {
        "app": "Tongyou",
        "raw": "If the button does not work, copy this address into your browser:",
        "site": "This mail was sent automatically. Nobody reads replies.",
    },
}


def write_letter(mail: Prepared, link: str, sender: tuple[str, str], domain: str) -> EmailMessage:
    """The whole message. `sender`: name (may be empty) and address; `domain`: right of the @ of the
    Message-ID."""
    texts = TEXTS[mail.locale][mail.letter]
    words = {
        "name": plain_words(mail.name),
        "inviter": plain_words(mail.inviter_name),
        "trip": plain_words(mail.trip_title),
        "what": MAY[mail.locale][mail.role],
    }
    said: dict[str, Any] = {key: text.format(**words) for key, text in texts.items()}
    says = SAYS[mail.locale]
    said |= {"link": link, "app": says["app"], "raw": says["raw"], "site": says["site"]}
    said["language"] = "zh-CN" if mail.locale == "zh" else "en"
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = f"<{mail.job_id}@{domain}>"
    message["Date"] = datetime.fromisoformat(mail.asked_at)
    message["From"] = Address(sender[0] or says["app"], addr_spec=sender[1])
    message["To"] = mail.to
    message["Subject"] = said["subject"]
    # No out-of-office answers, please (RFC 3834; Outlook).
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(_templates(False).get_template("mail.txt.j2").render(said))
    message.add_alternative(_templates(True).get_template("mail.html.j2").render(said), subtype="html")
    # Last: whatever sets a body moves headers of its kind into that body.
    message["Content-Language"] = said["language"]
    return message


def write_trial(to: str, site: str, sender: tuple[str, str], job_id: str, at: datetime) -> EmailMessage:
    """A mail by which an operator sees that mail arrives; plain text in both languages."""
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = f"<{job_id}@{sender[1].rpartition('@')[2]}>"
    message["Date"] = at
    message["From"] = Address(sender[0] or SAYS["en"]["app"], addr_spec=sender[1])
    message["To"] = to
    message["Subject"] = "Tongyou can send mail · 同游可以发送邮件"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"This is a test by whoever runs {site}. There is nothing to do.\n\n"
        f"这是 {site} 的运营者发送的测试邮件，无需处理。\n"
    )
    return message


def plain_words(text: str) -> str:
    """A name or title for a mail: one short line, and nothing in it that becomes a link by itself."""
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    shown = " ".join(shown.split())
    if len(shown) > MAX_WORDS:
        shown = shown[: MAX_WORDS - 1].rstrip() + "…"
    return _LINKS.sub(rf"\1{_SPACE}", shown)


@cache
def _templates(html: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
