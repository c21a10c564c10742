using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Hosting;

namespace SafeAmqp.Tests.Telemetry;

public sealed class LogThrottleTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Of_failures_that_repeat_the_first_are_told_and_the_first_after_a_while_says_how_many_were_not()
    {
        var throttle = new LogThrottle(_time);
        for (int i = 0; i < 1000; i++)
        {
            bool told = throttle.ShouldLog("queue", "InvalidOperationException", out long suppressed);
            Assert.Equal((i < LogThrottle.LoggedPerPeriod, 0L), (told, suppressed));
        }
        _time.Advance(LogThrottle.Period);
        Assert.True(throttle.ShouldLog("queue", "InvalidOperationException", out long others));
        Assert.Equal(1000 - LogThrottle.LoggedPerPeriod, others);
        Assert.True(throttle.ShouldLog("queue", "InvalidOperationException", out others));
        Assert.Equal(0, others);
    }

    [Fact]
    public void Another_queue_or_another_failure_is_told_for_itself()
    {
        var throttle = new LogThrottle(_time);
        for (int i = 0; i < 100; i++)
            throttle.ShouldLog("a", "x", out _);
        Assert.True(throttle.ShouldLog("b", "x", out _));
        Assert.True(throttle.ShouldLog("a", "y", out _));
        Assert.False(throttle.ShouldLog("a", "x", out _));
    }

    [Fact]
    public void Any_number_of_kinds_takes_bounded_memory()
    {
        var throttle = new LogThrottle(_time);
        for (int i = 0; i < 100_000; i++)
            Assert.True(throttle.ShouldLog($"queue {i}", "x", out _));
    }

    [Fact]
    public void Attempts_that_fail_for_one_reason_are_told_when_their_number_doubles_and_a_new_reason_at_once()
    {
        var log = new CapturedLog();
        var events = new LinkEvents(log, "orders", "send", time: _time);
        events.StateChanged(AmqpLinkState.Idle, AmqpLinkState.Connecting, "attempt 1");
        for (int i = 1; i <= 100; i++)
        {
            events.StateChanged(
                AmqpLinkState.Connecting, AmqpLinkState.Waiting, $"refused; next attempt in {i} ms", "refused");
            events.StateChanged(AmqpLinkState.Waiting, AmqpLinkState.Connecting, $"attempt {i + 1}");
        }
        var told = log.Lines.Where(line => line.Level >= LogLevel.Information).Select(line => line.Text).ToList();
        Assert.Equal(1 + 7, told.Count); // the first transition; failures 1, 2, 4, 8, 16, 32 and 64
        Assert.Contains("failure 64 in a row; 31 similar messages were suppressed", told[^1], StringComparison.Ordinal);

        events.StateChanged(AmqpLinkState.Connecting, AmqpLinkState.Waiting, "ACCESS_REFUSED", "ACCESS_REFUSED");
        Assert.Contains(
            "ACCESS_REFUSED (failure 101 in a row; 36 similar", log.Lines.Last().Text, StringComparison.Ordinal);
        events.StateChanged(AmqpLinkState.Preparing, AmqpLinkState.Open, "host");
        Assert.Equal((102, LogLevel.Information), (log.Lines.Last().Id, log.Lines.Last().Level));
        events.StateChanged(AmqpLinkState.Open, AmqpLinkState.Waiting, "reset", "reset");
        Assert.Equal((103, LogLevel.Warning), (log.Lines.Last().Id, log.Lines.Last().Level));
    }
}
