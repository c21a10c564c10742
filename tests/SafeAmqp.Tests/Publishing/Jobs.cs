using SafeAmqp.Publishing;

namespace SafeAmqp.Tests.Publishing;

/// <summary>Jobs that are not sent.</summary>
internal static class Jobs
{
    internal static readonly Credit Endless = new(long.MaxValue, long.MaxValue);

    internal static PublishJob Job(
        int size = 0, string exchange = "", string key = "", string? userId = null, Credit? credit = null)
        => new(new AmqpMessage { Body = new byte[size], Exchange = exchange, RoutingKey = key, UserId = userId }, 0,
            long.MaxValue, credit ?? Endless);
}
