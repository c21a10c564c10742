using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Tests;

public sealed class StatusTextTests
{
    [Theory]
    [InlineData("plain", 200, "plain")]
    [InlineData("", 200, "")]
    [InlineData("a\r\nb\tc\0d\u001b[31m\u007f\u0085", 200, "a\\u000d\\u000ab\\u0009c\\u0000d\\u001b[31m\\u007f\\u0085")]
    [InlineData("12345", 5, "12345")]
    [InlineData("123456", 5, "12345…")]
    [InlineData("ä€", 200, "ä€")]
    [InlineData("a\u2028b\u2029c\u202ed\ufeff", 200, "a\\u2028b\\u2029c\\u202ed\\ufeff")]
    public void Texts_of_a_peer_are_shortened_and_freed_of_control_characters(string text, int max, string expected)
        => Assert.Equal(expected, StatusText.Printable(text, max));

    [Fact]
    public void A_link_says_in_words_what_it_does_and_why_it_waits()
    {
        var link = new AmqpLinkStatus
        {
            Name = "send",
            State = AmqpLinkState.Waiting,
            InState = TimeSpan.FromSeconds(1.25),
            Epoch = 3,
            Host = "broker:5672",
            LastError = "reset",
            RecoveryAttempt = 2,
            NextAttemptIn = TimeSpan.FromMilliseconds(400),
            QueuedMessages = 7,
            OldestQueued = TimeSpan.FromSeconds(2),
            UnconfirmedMessages = 4,
            PendingCalls = 1,
            Consumers = [
                new AmqpConsumerStatus("work", AmqpConsumerState.Recovering, 0, "gone"),
                new AmqpConsumerStatus("fine", AmqpConsumerState.Live, 0, null)],
        };
        Assert.Equal("send link waiting to reconnect for 1.25 s, epoch 3, broker:5672, last error: reset, attempt "
            + "2, next in 0.4 s, " +
            "7 waiting to be sent (oldest 2.0 s), 4 unconfirmed, 1 calls pending, consumer of 'work' recovering (gone)",
            link.ToString());
    }

    [Fact]
    public void An_open_link_says_no_old_error_and_a_blocked_one_why()
        => Assert.Equal("send link open for 0.0 s, epoch 0, publishing blocked by the broker for 3.0 s (low on memory)",
            new AmqpLinkStatus
            {
                Name = "send",
                State = AmqpLinkState.Open,
                LastError = "old",
                BlockedReason = "low on memory",
                BlockedFor = TimeSpan.FromSeconds(3)
            }
                .ToString());
}
