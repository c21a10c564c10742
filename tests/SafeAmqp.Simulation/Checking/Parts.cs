using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Topology;
using SafeAmqp.Wire;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Checking;

/// <summary>What no simulated run would show: parts whose result depends on what they are given alone. Each is checked
/// by one value that a wrong thought once got wrong.</summary>
internal static class Parts
{
    private static readonly Action[] All = [
        Bindings, AutoDeleteQueues, ExpiringQueues, PassedOnMessages, HoldsBeforeReturns, HeadersOfOthers, Decimals,
        ForeignPeers, Uris, Cancellations, NamesBesideAQueue, OctetsOfOthers, Reasons, Guests, HealthOfConsumers];

    /// <summary>The first that is wrong; null when none is.</summary>
    internal static string? FirstViolation()
    {
        foreach (Action check in All)
        {
            try
            {
                check();
            }
            catch (Exception error)
            {
                return error is ViolationException ? error.Message : error.ToString();
            }
        }
        return null;
    }

    private static void Bindings()
    {
        TopologyItem.Binding Of(string type) => new(new AmqpBinding
        {
            Exchange = "docs",
            Queue = "q",
            Arguments = new Dictionary<string, object?> { ["type"] = type },
        });
        var ledger = new TopologyLedger();
        ledger.Remember(new TopologyItem.Queue(new AmqpQueue { Name = "q" }));
        ledger.Remember(Of("pdf"));
        ledger.Remember(Of("zip"));
        ledger.Remember(Of("zip"));
        Require(ledger.ForLink(true).Count == 3, "of two bindings that differ in an argument one is forgotten");
    }

    private static void AutoDeleteQueues()
    {
        var ledger = new TopologyLedger();
        ledger.Remember(new TopologyItem.Queue(new AmqpQueue { Name = "q", AutoDelete = true }));
        ledger.Used("q");
        ledger.Used("q");
        ledger.Left("q", wasLive: true);
        Require(ledger.ForLink(true).Count == 1, "a queue goes with the first of its consumers");
        ledger.Left("q", wasLive: true);
        Require(ledger.ForLink(true).Count == 0, "an auto-delete queue is declared again after its last consumer");
        Require(ledger.Used("q"), "the next consumer of an auto-delete queue does not put it back");
    }

    private static void ExpiringQueues()
    {
        long now = 0;
        var ledger = new TopologyLedger(() => now);
        ledger.Remember(new TopologyItem.Queue(new AmqpQueue { Name = "q", Expires = TimeSpan.FromSeconds(2) }));
        now = TimeSpan.FromSeconds(1).Ticks;
        ledger.Touched("q");
        now = TimeSpan.FromSeconds(2.5).Ticks;
        Require(ledger.ForLink(true).Count == 1, "a queue that expires is forgotten although it was used");
        now = TimeSpan.FromSeconds(4).Ticks;
        Require(ledger.ForLink(true).Count == 0, "a queue that has expired is declared again");
    }

    private static void PassedOnMessages()
    {
        var message = new AmqpMessage
        {
            Exchange = "orders",
            RoutingKey = "new",
            Expiration = TimeSpan.FromSeconds(5),
            UserId = "someone",
            Headers = new Dictionary<string, object?>
            {
                ["CC"] = new List<object?> { "other" },
                ["BCC"] = new List<object?> { "other" },
                ["x-delivery-count"] = 3L,
                ["kept"] = "x"u8.ToArray(),
            },
        };
        AmqpMessage moved = RetryHeaders.ForMove(message, "q", to: "q.retry", attempts: 1);
        Require(
            moved.Headers!.ContainsKey("kept") && !moved.Headers.ContainsKey("CC") && !moved.Headers.ContainsKey("BCC"),
            "what is moved is copied to other queues again");
        Require(moved.Expiration is null && moved.UserId is null, "what is moved is acted upon by the broker again");
        AmqpMessage back = RetryHeaders.Restore(moved);
        Require(
            (back.Exchange, back.RoutingKey, back.Expiration) == ("orders", "new", message.Expiration),
            "what comes back from a retry queue is not what was published");
        Require(RetryHeaders.Retries(back.Headers, "q") == 1, "a retry is not counted");
        Require(RetryHeaders.Retries(back.Headers, "other") == 0, "a retry in one queue counts in another");
    }

    private static void HoldsBeforeReturns()
    {
        var time = new SteppedTime();
        var book = new FailureBook(() => 0);
        var delivery = new AmqpDelivery(new AmqpMessage { MessageId = "m" }, "q", isRedelivered: true);
        TimeSpan first = book.NextHold(delivery, time), hold = first;
        for (int i = 0; i < 10; i++)
        {
            time.Step(hold);
            hold = book.NextHold(delivery, time);
        }
        Require(
            (first, hold) == (TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(5)),
            $"what returns again and again is held for {first} at first and for {hold} at last");
    }

    // As py-amqp writes it.
    private static void HeadersOfOthers() => Require(
        Value(Convert.FromHexString("0000000b01684c0000010000000000")) is 1L << 40,
        "an integer of type L is not read");

    // As pika writes and reads it.
    private static void Decimals()
    {
        var to = new FrameBuffer();
        FieldTable.Write(to, new Dictionary<string, object?> { ["h"] = -1.5m }, slot: -1);
        Require(
            Convert.ToHexStringLower(to.Written.Span) == "0000000801684401fffffff1",
            "a negative decimal is not written as a two's complement");
        Require(
            Value(to.Written.Span) is -1.5m,
            "a negative decimal is not read as a two's complement");
        Require(
            Value(Convert.FromHexString("0000000801684440fffffff1")) is double and < 0,
            "a decimal of 64 places is not read");
    }

    private static object? Value(ReadOnlySpan<byte> table)
        => new FieldReader(new FieldReader(table).LongBytes()).Entries()["h"];

    private static void ForeignPeers()
    {
        foreach ((string bytes, string says) in ((string, string)[])[
            ("AMQP\0\u0001\0\0", "AMQP 1.0"), ("HTTP/1.1 400", "web server"), ("\u0015\u0003\u0003", "TLS")])
        {
            string? told = null;
            try
            {
                ForeignPeer.IsNone(System.Text.Encoding.Latin1.GetBytes(bytes));
            }
            catch (FrameViolationException error)
            {
                told = error.Message;
            }
            Require(told?.Contains(says, StringComparison.Ordinal) == true, $"a peer that is {says} is called {told}");
        }
    }

    private static void Uris()
    {
        string? told = null;
        try
        {
            BrokerUri.Parse("amqp://user:p@ss@host");
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            told = error.Message;
        }
        Require(
            told?.Contains("percent-encoded", StringComparison.Ordinal) == true,
            $"an @ in a password is told as {told}");
    }

    private static void Cancellations()
    {
        var stopping = new StopSignal(null, default);
        var cancelled = new InvalidOperationException("outer", new OperationCanceledException());
        Require(!stopping.Explains(cancelled), "what is cancelled while nothing stops did not fail");
        stopping.Begin();
        Require(stopping.Explains(cancelled), "what is cancelled because its consumer stops failed");
        Require(
            !stopping.Explains(new InvalidOperationException()), "what fails while its consumer stops did not fail");
    }

    private static void NamesBesideAQueue()
    {
        bool isRefused = false;
        try
        {
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(3, TimeSpan.FromSeconds(1)) }
                .ValidatedFor(new string('q', 250));
        }
        catch (ArgumentException)
        {
            isRefused = true;
        }
        Require(isRefused, "a retry queue whose name is too long is found out at the first failure");
    }

    // An unused flag, an id that is no text and one with a NUL, as a caller may have them.
    private static void OctetsOfOthers()
    {
        byte[] id = [0xFF, 0, 0xFE];
        AmqpMessage request = ContentHeader.Read(
            [0x04, 0x02, 3, .. id], "", "q", [], new RecentText(), out string? unreadable);
        Require(unreadable is null, "an unused flag is a flaw");
        var reply = new Outgoing(new AmqpMessage())
        {
            RoutingKey = "caller",
            CorrelationId = request.CorrelationId,
            Answers = request,
        };
        AmqpMessage moved = RetryHeaders.ForMove(request with { MessageId = "a\0b" }, "q", "q.retry", attempts: 1);
        try
        {
            MessageCheck.Validate(reply, 100);
            MessageCheck.Validate(moved, 100);
        }
        catch (ArgumentException refused)
        {
            Require(false, $"what another client chose is refused: {refused.Message}");
        }
        var to = new FrameBuffer();
        FrameWriter.Publish(to, 1, reply, slot: -1, FrameFormat.MaxFrameSize);
        Require(to.Written.Span.IndexOf(id) >= 0, "a correlation id that is no text comes back as another");
    }

    private static void Reasons()
    {
        var link = new AmqpLinkStatus { Name = "send", State = AmqpLinkState.Waiting, LastError = "login refused" };
        string reason = Telemetry.WaitReason.NotSent(new AmqpClientStatus([link]));
        Require(
            reason.Contains("login refused", StringComparison.Ordinal),
            $"a wait for a link that is refused is told as {reason}");
    }

    private static void Guests()
    {
        string? user = null;
        try
        {
            user = BrokerAddress.From(new AmqpClientOptions { Uri = "amqp://guest:guest@broker.example" }).UserName;
        }
        catch (ArgumentException)
        {
            // told below
        }
        Require(user == "guest", "guest beyond loopback is refused without asking the broker");
    }

    private static void HealthOfConsumers()
    {
        static string Of(AmqpConsumerState state) => Hosting.Health.Readiness(new AmqpLinkStatus
        {
            Name = "receive",
            State = AmqpLinkState.Open,
            Consumers = [new AmqpConsumerStatus("q", state, 0, null)],
        }).ToString();
        AmqpConsumerState[] states = Enum.GetValues<AmqpConsumerState>();
        Require(
            string.Join(' ', states.Select(Of)) == "Degraded Healthy Degraded Healthy Unhealthy",
            "the readiness says something else than what consumers do");
    }

    private sealed class SteppedTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        internal void Step(TimeSpan time) => _now += time.Ticks;
    }
}
