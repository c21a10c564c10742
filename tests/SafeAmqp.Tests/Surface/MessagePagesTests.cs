using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using SafeAmqp.Actor;
using SafeAmqp.Publishing;
using SafeAmqp.Tests.Publishing;

namespace SafeAmqp.Tests.Surface;

/// <summary>The pages about single messages are about messages that there are.</summary>
public sealed class MessagePagesTests
{
    public static TheoryData<string> Names => [.. MessagePages.All.Select(page => page.Name)];

    // In docs/mistakes.md, which a test makes; among the log lines; or in an exception that is made here.
    [Theory, MemberData(nameof(Names))]
    public void The_title_of_a_page_is_a_message_as_it_is_made(string name)
    {
        Regex message = MessagePages.All.Single(page => page.Name == name).Message;
        Assert.Contains(Made(), message.IsMatch);
    }

    [Fact]
    public void Each_page_says_why_what_to_do_and_whether_a_retry_helps_and_is_in_the_menu()
    {
        string menu = File.ReadAllText(Repository.Path("docs", "toc.yml"));
        Assert.True(MessagePages.All.Count >= 20);
        Assert.All(MessagePages.All, page =>
        {
            string text = File.ReadAllText(Repository.Path("docs", "messages", $"{page.Name}.md"));
            Assert.All((string[])["\n## Why\n", "\n## What to do\n", "\n## Does a retry help?\n"],
                part => Assert.Contains(part, text, StringComparison.Ordinal));
            Assert.Contains($"href: messages/{page.Name}.md\n", menu, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void An_exception_that_means_one_thing_links_to_its_page()
    {
        const string Pages = "https://github.com/safeamqp/safeamqp/blob/main/docs/messages/";
        AmqpException[] errors = [new AmqpReturnedException(""), new AmqpNackedException(""),
            new AmqpNotSentException(""), new AmqpUnknownOutcomeException(""),
            new AmqpNoReplyException("", AmqpOutcome.Confirmed)];
        Assert.All(errors, error => Assert.Contains(error.HelpLink!, MessagePages.All.Select(
            page => $"{Pages}{page.Name}.md")));
        Assert.Equal(errors.Length, errors.Select(error => error.HelpLink).Distinct().Count());
        Assert.Null(new AmqpTopologyException("", "queue 'a'").HelpLink);
    }

    private static IEnumerable<string> Made()
    {
        var status = new AmqpClientStatus([]);
        var job = new PublishJob(new AmqpMessage(), 0, 0, Jobs.Endless);
        return
        [
            .. File.ReadAllLines(Repository.Path("docs", "mistakes.md")).Select(line => line.Replace("\\", "",
                StringComparison.Ordinal)),
            .. typeof(AmqpClient).Assembly.GetTypes()
                .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.NonPublic))
                .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()?.Message).OfType<string>(),
            JobErrors.Nacked(job, status).Message,
            JobErrors.Unknown(job, new CloseReason(0, "the connection was reset", ByBroker: false), status).Message,
        ];
    }
}
