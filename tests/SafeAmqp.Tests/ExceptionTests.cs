using System.Reflection;
using SafeAmqp.Actor;
using SafeAmqp.Publishing;
using SafeAmqp.Tests.Publishing;

namespace SafeAmqp.Tests;

public sealed class ExceptionTests
{
    public static TheoryData<AmqpException, AmqpOutcome?, bool> Table => new()
    {
        { new AmqpReturnedException(""), AmqpOutcome.Returned, true },
        { new AmqpNackedException(""), AmqpOutcome.Nacked, true },
        { new AmqpRefusedException(""), AmqpOutcome.Refused, true },
        { new AmqpNotSentException(""), AmqpOutcome.NotSent, true },
        { new AmqpUnknownOutcomeException(""), AmqpOutcome.Unknown, false },
        { new AmqpNoReplyException("", AmqpOutcome.Confirmed), AmqpOutcome.Confirmed, false },
        { new AmqpNoReplyException("", AmqpOutcome.Unknown), AmqpOutcome.Unknown, false },
        { new AmqpRemoteException("", "Type"), AmqpOutcome.Confirmed, false },
        { new AmqpTopologyException("", "queue 'a'"), null, true },
        { new AmqpConnectException("", isRefused: true), null, true },
        { new AmqpPoisonException("", "queue"), null, true },
        { new AmqpUnreadableException(""), null, true },
    };

    [Theory]
    [MemberData(nameof(Table), DisableDiscoveryEnumeration = true)]
    public void Each_says_what_became_of_the_message_and_whether_repeating_is_safe(
        AmqpException error, AmqpOutcome? outcome, bool isSafe)
        => Assert.Equal((outcome, isSafe), (error.Outcome, error.IsSafeToRepeat));

    [Fact]
    public void The_table_is_complete()
        => Assert.Equal(
            typeof(AmqpException).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(AmqpException)))
                .OrderBy(type => type.Name),
            Table.Select(row => row.Data.Item1.GetType()).Distinct().OrderBy(type => type.Name));

    [Fact]
    public void Each_can_be_made_by_users_with_what_it_came_from()
    {
        var cause = new TimeoutException();
        foreach (Type type in Table.Select(row => row.Data.Item1.GetType()).Distinct())
        {
            ConstructorInfo constructor = Assert.Single(type.GetConstructors());
            object?[] arguments = [.. constructor.GetParameters().Select(object? (parameter) => parameter.Name switch
            {
                "message" => "why",
                "innerException" => cause,
                _ when parameter.ParameterType.IsValueType => Activator.CreateInstance(parameter.ParameterType),
                _ => "other",
            })];
            var made = (AmqpException)constructor.Invoke(arguments);
            Assert.Equal("why", made.Message);
            Assert.Same(cause, made.InnerException);
        }
    }

    [Fact]
    public void A_result_that_is_not_confirmed_throws_its_error()
    {
        new AmqpPublishResult(AmqpOutcome.Confirmed, null).ThrowIfNotConfirmed();
        var error = new AmqpNackedException("no");
        Assert.Same(error, Assert.Throws<AmqpNackedException>(
            () => new AmqpPublishResult(AmqpOutcome.Nacked, error).ThrowIfNotConfirmed()));
    }

    [Fact]
    public void Errors_of_jobs_name_the_address_and_never_the_body()
    {
        var status = new AmqpClientStatus([]);
        var message = new AmqpMessage
        {
            Exchange = "orders",
            RoutingKey = "new",
            Body = "canary"u8.ToArray(),
            Headers = new Dictionary<string, object?> { ["h"] = "canary" }
        };
        var job = new PublishJob(message, 0, 0, Jobs.Endless);
        var end = new CloseReason(404, "NOT_FOUND", ByBroker: true);
        foreach (AmqpException error in (AmqpException[])[
            JobErrors.Returned(job, end, status), JobErrors.Nacked(job, status), JobErrors.Refused(job, end, status),
            JobErrors.NotSent(job, "why", status), JobErrors.Unknown(job, end, status),
            JobErrors.TimedOut(job, 1, status)])
        {
            Assert.Contains("exchange 'orders', routing key 'new', 6 bytes", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("canary", error.ToString(), StringComparison.Ordinal);
            Assert.Same(status, error.Status);
        }
    }
}
