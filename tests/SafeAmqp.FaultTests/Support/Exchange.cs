using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace SafeAmqp.FaultTests.Support;

/// <summary>
/// One whole conversation of a client: connect, declare, serve, consume, publish, call, dispose. The order of what goes
/// over the wire is the same each time, as every step waits for the one before. What it saw is kept, to be judged.
/// </summary>
internal sealed class Exchange(string uri, string run)
{
    private static readonly byte[][] Bodies = [[], "x"u8.ToArray(), new byte[700]];

    private readonly ConcurrentDictionary<string, int> _received = [];

    internal List<(string Id, Exception? Error)> Published { get; } = [];

    internal Exception? CallError { get; private set; }

    internal string? Reply { get; private set; }

    internal TimeSpan Disposal { get; private set; }

    internal AmqpClientStatus? LastStatus { get; private set; }

    internal int Deliveries => _received.Values.Sum();

    /// <summary>How many publishes and calls ended without a verdict.</summary>
    internal int Unknown
        => Published.Count(end => end.Error is AmqpUnknownOutcomeException) + (CallError is null ? 0 : 1);

    internal async Task RunAsync(TimeSpan limit, Action<AmqpClientOptions>? configure = null)
    {
        var options = new AmqpClientOptions
        {
            Uri = uri,
            ClientName = "exchange",
            Layout = AmqpConnectionLayout.Shared,
            ReconnectDelay = TimeSpan.FromMilliseconds(1),
            MaxReconnectDelay = TimeSpan.FromMilliseconds(20),
            ConnectTimeout = TimeSpan.FromSeconds(10),
            OperationTimeout = limit,
            PublishTimeout = limit,
            ShutdownTimeout = TimeSpan.FromSeconds(2),
        };
        configure?.Invoke(options);
        var client = new AmqpClient(options);
        try
        {
            await TalkAsync(client, limit).WaitAsync(limit * 3);
        }
        finally
        {
            long start = TimeProvider.System.GetTimestamp();
            await client.DisposeAsync().AsTask().WaitAsync(limit);
            Disposal = TimeProvider.System.GetElapsedTime(start);
            LastStatus = client.Status;
        }
    }

    /// <summary>What must hold, whatever was done to the connection.</summary>
    /// <param name="faulted">Whether anything was.</param>
    internal void Judge(bool faulted)
    {
        foreach (var (id, error) in Published)
        {
            // Honest: a verdict, or unknown, and that only when a connection was lost.
            Assert.True(
                error is null || (faulted && error is AmqpUnknownOutcomeException),
                $"{run}: publish {id} ended with {error}");
            if (error is null)
                Assert.True(_received.ContainsKey(id), $"{run}: {id} was confirmed and did not arrive");
        }
        if (CallError is null)
            Assert.Equal($"re {run}", Reply);
        else
            Assert.True(
                faulted && CallError is AmqpNoReplyException or AmqpUnknownOutcomeException,
                $"{run}: the call ended with {CallError}");
        Assert.True(Disposal < TimeSpan.FromSeconds(5), $"{run}: disposal took {Disposal}");
        Assert.Equal(0, LastStatus!.Links[0].PendingCalls);
        Assert.Equal((0, 0), (LastStatus.Links[0].QueuedMessages, LastStatus.Links[0].UnconfirmedMessages));
    }

    private async Task TalkAsync(AmqpClient client, TimeSpan limit)
    {
        await client.DeclareAsync(new AmqpTopology().Queue("work").Queue("rpc"));
        var one = new AmqpConsumerOptions { Prefetch = 1, StopTimeout = TimeSpan.FromSeconds(1) };
        await client.ServeAsync("rpc",
            (request, _) => ValueTask.FromResult(
                new AmqpMessage { Body = Encoding.UTF8.GetBytes($"re {Encoding.UTF8.GetString(request.Body.Span)}") }),
            new AmqpServeOptions { Consumer = one });
        await client.ConsumeAsync("work", (delivery, _) =>
        {
            _received.AddOrUpdate(delivery.Message.MessageId ?? "", 1, (_, count) => count + 1);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, one);
        for (int i = 0; i < Bodies.Length; i++)
        {
            string id = string.Create(CultureInfo.InvariantCulture, $"{run}.{i}");
            Exception? error = await EndOf(client.PublishAsync(AmqpMessage.ToQueue("work", Bodies[i]) with
            {
                MessageId = id,
                Headers = new Dictionary<string, object?>
                {
                    ["text"] = "value",
                    ["list"] = new List<object?> { 1, 2L, true }
                },
            }));
            Published.Add((id, error));
            if (error is null)
                await UntilAsync(() => _received.ContainsKey(id), limit);
        }
        CallError = await EndOf(new ValueTask(CallAsync(client, limit)));
    }

    private async Task CallAsync(AmqpClient client, TimeSpan limit)
        => Reply = Encoding.UTF8.GetString((await client.CallAsync(
            AmqpMessage.ToQueue("rpc", Encoding.UTF8.GetBytes(run)),
            new AmqpCallOptions { Timeout = limit })).Body.Span);

    private static async Task<Exception?> EndOf(ValueTask operation)
    {
        try
        {
            await operation;
            return null;
        }
        catch (Exception error)
        {
            return error;
        }
    }

    private static async Task UntilAsync(Func<bool> condition, TimeSpan limit)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition() && TimeProvider.System.GetElapsedTime(start) < limit)
            await Task.Delay(1);
    }
}
