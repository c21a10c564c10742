// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Hosting;

namespace SafeAmqp.Tests.Rpc;

// Both ends of a request with many replies, before peers that break the rules or are gone.
public sealed class ManyRepliesTests : IAsyncDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);
    private static readonly AmqpMessage Request =
        new() { RoutingKey = "work", ReplyTo = "caller", CorrelationId = "c" };

    private readonly FakeClient _client = new();
    private readonly ManualTimeProvider _time = new();
    private readonly Conversations _all;

    public ManyRepliesTests()
        => _all = new Conversations(_client, message => _client.PostAsync(message),
            (queue, handler) => _client.ConsumeAsync(queue, handler));

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    [Theory]
    [InlineData("a gap", "1 were lost on their way")]
    [InlineData("too many", "more than the 2 that it was allowed")]
    [InlineData("another run", "has begun anew")]
    public async Task A_reply_that_breaks_the_order_ends_the_call_behind_those_before_it(string what, string why)
    {
        await _all.OpenAsync();
        using var replies = new ManyReplies(_all, Request, "c", 2, _time, () => FakeClient.OpenStatus);
        await BringAsync(Reply(0), Reply(0), what switch
        {
            "a gap" => Reply(2),
            "too many" => Reply(1),
            _ => Reply(0, stream: "other"),
        }, Reply(what == "too many" ? 2 : 1), Reply(3));

        Assert.NotNull(await replies.NextAsync(Long, default));
        if (what == "too many")
            Assert.NotNull(await replies.NextAsync(Long, default));
        var error = await Assert.ThrowsAsync<AmqpNoReplyException>(() => replies.NextAsync(Long, default).AsTask());

        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        AmqpMessage told = Assert.Single(_client.Published);
        Assert.Equal(("server", what == "another run" ? "other" : "s", (object)true),
            (told.RoutingKey, told.CorrelationId, told.Headers!["x-safeamqp-cancel"]));
    }

    [Fact]
    public async Task Credit_is_said_in_all_when_half_is_used_and_again_every_ten_seconds()
    {
        await _all.OpenAsync();
        using (var replies = new ManyReplies(_all, Request, "c", 4, _time, () => FakeClient.OpenStatus))
        {
            await BringAsync(Reply(0), Reply(1));
            for (int i = 0; i < 2; i++)
            {
                Assert.Empty(_client.Published);
                await replies.NextAsync(Long, default);
                replies.Done();
            }
            _time.Advance(TimeSpan.FromSeconds(20));
            Assert.Equal([6L, 6L, 6L], _client.Published.Select(told => told.Headers!["x-safeamqp-credit"]));
        }
        Assert.Equal(true, _client.Published.Last().Headers!["x-safeamqp-cancel"]);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(4, _client.Published.Count);
    }

    [Fact]
    public async Task A_server_whose_caller_is_silent_for_35_seconds_gives_up()
    {
        TaskCompletionSource ended = new(), sentThree = new();
        async IAsyncEnumerable<AmqpMessage> CountAsync([EnumeratorCancellation] CancellationToken abandoned = default)
        {
            try
            {
                for (int sent = 0; ; sent++)
                {
                    if (sent == 3)
                        sentThree.SetResult();
                    yield return new AmqpMessage();
                }
            }
            finally
            {
                await Task.Yield();
                ended.SetResult();
            }
        }
        var around = new ServerSurroundings(_client, new ClientEvents(NullLogger.Instance, "test", _time), null!,
            new Credit(10, 1000), _ => default, new MonotonicClock(_time), Long, 1000);
        var server = new ManyServer(around, _all, (_, abandoned) => CountAsync(abandoned), new AmqpServeOptions());
        AmqpMessage request = Request with { Headers = new Dictionary<string, object?> { ["x-safeamqp-credit"] = 2L } };

        Task<AmqpSettlement> answer = server.HandleAsync(new AmqpDelivery(request, "work"), default).AsTask();
        await _time.WhenArmedAsync(TimeSpan.FromSeconds(35)).WaitAsync(Long);
        string stream = (string)_client.Published.Last().Headers!["x-safeamqp-stream"]!;
        _time.Advance(TimeSpan.FromSeconds(34));
        await BringAsync(new AmqpMessage
        {
            CorrelationId = stream,
            Headers = new Dictionary<string, object?> { ["x-safeamqp-credit"] = 3L },
        });
        await sentThree.Task.WaitAsync(Long);
        Assert.False(answer.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(35));

        Assert.Equal(AmqpSettlement.Ack, await answer.WaitAsync(Long));
        await ended.Task.WaitAsync(Long);
        Assert.Equal([null, 0L, 1L, 2L],
            _client.Published.Select(reply => reply.Headers!.GetValueOrDefault("x-safeamqp-sequence")));
        Assert.All(_client.Published, reply => Assert.Equal(("caller", "c"), (reply.RoutingKey, reply.CorrelationId)));
    }

    [Fact]
    public async Task A_handler_that_has_no_reply_yet_is_abandoned_when_its_caller_leaves_or_is_silent()
    {
        var around = new ServerSurroundings(_client, new ClientEvents(NullLogger.Instance, "test", _time), null!,
            new Credit(10, 1000), _ => default, new MonotonicClock(_time), Long, 1000);
        static async IAsyncEnumerable<AmqpMessage> WaitAsync(
            [EnumeratorCancellation] CancellationToken abandoned)
        {
            await Task.Delay(Timeout.Infinite, abandoned);
            yield break;
        }
        var server = new ManyServer(around, _all, (_, abandoned) => WaitAsync(abandoned), new AmqpServeOptions());
        AmqpMessage request = Request with { Headers = new Dictionary<string, object?> { ["x-safeamqp-credit"] = 2L } };

        Task<AmqpSettlement> silent = server.HandleAsync(new AmqpDelivery(request, "work"), default).AsTask();
        await _time.WhenArmedAsync(TimeSpan.FromSeconds(35)).WaitAsync(Long);
        _time.Advance(TimeSpan.FromSeconds(35));
        Assert.Equal(AmqpSettlement.Ack, await silent.WaitAsync(Long));

        using (new ManyReplies(_all, Request, "c", 2, _time, () => FakeClient.OpenStatus))
        {
            Task<AmqpSettlement> left = server.HandleAsync(new AmqpDelivery(request, "work"), default).AsTask();
            AmqpMessage begun = _client.Published.Last();
            await BringAsync(begun);
            _time.Advance(TimeSpan.FromSeconds(10));
            AmqpMessage told = _client.Published.Last();
            Assert.Equal((begun.ReplyTo, begun.Headers!["x-safeamqp-stream"], 2L),
                (told.RoutingKey, (object?)told.CorrelationId, told.Headers!["x-safeamqp-credit"]));
            Assert.False(left.IsCompleted);
        }
        Assert.Equal(true, _client.Published.Last().Headers!["x-safeamqp-cancel"]);
    }

    private static AmqpMessage Reply(long sequence, string stream = "s") => new()
    {
        CorrelationId = "c",
        ReplyTo = "server",
        Headers = new Dictionary<string, object?>
        {
            ["x-safeamqp-stream"] = stream,
            ["x-safeamqp-sequence"] = sequence,
        },
    };

    private async Task BringAsync(params AmqpMessage[] messages)
    {
        AmqpHandler handler = _client.Handlers[await _all.OpenAsync()];
        foreach (AmqpMessage message in messages)
            await handler(new AmqpDelivery(message), default);
    }
}
