using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace SafeAmqp.IntegrationTests.Disposal;

/// <summary>What a caller leaves behind: no context of its own, no unobserved exception.</summary>
public sealed class LeftBehindTests(TestBroker broker) : FeatureTest(broker)
{
    private static readonly AsyncLocal<object?> Context = new();

    [Theory]
    [InlineData("connect")]
    [InlineData("declare")]
    [InlineData("publish")]
    [InlineData("post")]
    [InlineData("publish all")]
    [InlineData("consume")]
    [InlineData("consume json")]
    [InlineData("serve")]
    [InlineData("read")]
    [InlineData("call")]
    [InlineData("call directly")]
    [InlineData("call with a fixed queue")]
    [InlineData("settle")]
    [InlineData("stop")]
    [InlineData("cancelled wait")]
    public async Task No_verb_keeps_the_context_of_its_caller(string verb)
    {
        string queue = NewName();
        AmqpClient amqp = NewClient();
        if (verb != "connect")
        {
            await amqp.OpenAsync(Cancelled);
            await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        }
        WeakReference context = await InContextAsync(() => RunAsync(verb, amqp, queue));
        await UntilAsync(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !context.IsAlive;
        }, $"{verb} lets go of its caller's context");
        GC.KeepAlive(amqp);
    }

    [Theory]
    [InlineData("connect")]
    [InlineData("open")]
    [InlineData("declare")]
    [InlineData("consume")]
    [InlineData("read")]
    [InlineData("serve")]
    [InlineData("call with a fixed queue")]
    [InlineData("publish")]
    public async Task A_wait_that_its_token_ends_leaves_no_exception_unobserved(string verb)
    {
        var unobserved = new ConcurrentQueue<Exception>();
        void Note(object? sender, UnobservedTaskExceptionEventArgs seen)
        {
            unobserved.Enqueue(seen.Exception);
            seen.SetObserved();
        }
        Collect(); // what earlier tests left behind is not this one's
        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            for (int i = 0; i < 10; i++)
                await GiveUpAsync(verb);
            Collect();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }
        Assert.Empty(unobserved);
    }

    private static void Collect()
    {
        for (int i = 0; i < 5; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    private async Task RunAsync(string verb, AmqpClient amqp, string queue)
    {
        static ValueTask<AmqpSettlement> Ack(AmqpDelivery delivery, CancellationToken lost) => new(AmqpSettlement.Ack);
        var message = AmqpMessage.ToQueue(queue, Bytes("1"));
        switch (verb)
        {
            case "connect":
                await amqp.OpenAsync(Cancelled);
                break;
            case "declare":
                await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
                break;
            case "publish":
                await amqp.PublishAsync(message, Cancelled);
                break;
            case "post":
                await amqp.PostAsync(message, Cancelled);
                break;
            case "publish all":
                await amqp.PublishAllAsync([message, message], Cancelled);
                break;
            case "consume":
                await amqp.ConsumeAsync(queue, Ack, cancellationToken: Cancelled);
                break;
            case "consume json":
                await amqp.ConsumeJsonAsync(
                    queue, JsonNumbers.Default.Int32, (_, delivery, lost) => Ack(delivery, lost),
                    cancellationToken: Cancelled);
                await amqp.PublishAsync(message, Cancelled);
                break;
            case "serve":
                await amqp.ServeAsync(queue, (_, _) => new(new AmqpMessage()), cancellationToken: Cancelled);
                break;
            case "read":
                await amqp.PublishAsync(message, Cancelled);
                await foreach (AmqpDelivery _ in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
                    break;
                break;
            case "call" or "call directly" or "call with a fixed queue":
                string replies = await NewQueueAsync(amqp);
                await Task.Run(() =>
                {
                    Context.Value = null; // what serves is somebody else
                    return amqp.ServeAsync(queue, (_, _) => new(new AmqpMessage()), cancellationToken: Cancelled);
                }, Cancelled);
                await amqp.CallAsync(message, new AmqpCallOptions
                {
                    ReplyTo = verb == "call" ? AmqpReplyAddress.Exclusive
                        : verb == "call directly" ? AmqpReplyAddress.Direct
                        : AmqpReplyAddress.Queue(replies, reply => reply.CorrelationId),
                }, Cancelled);
                break;
            case "settle":
                var settled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await amqp.ConsumeAsync(queue, (delivery, lost) =>
                {
                    delivery.Settle(AmqpSettlement.Ack);
                    settled.TrySetResult();
                    return new(AmqpSettlement.Ack);
                }, cancellationToken: Cancelled);
                await amqp.PublishAsync(message, Cancelled);
                await settled.Task;
                break;
            case "stop":
                AmqpSubscription subscription = await amqp.ConsumeAsync(queue, Ack, cancellationToken: Cancelled);
                await subscription.DisposeAsync();
                break;
            default:
                await GiveUpAsync("open");
                break;
        }
    }

    // Each operation is given up by its token, and ends afterwards with an error, as its client is disposed.
    private async Task GiveUpAsync(string verb)
    {
        const string Nowhere = "amqp://guest:guest@127.0.0.1:1/";
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        AmqpClient amqp = NewClient(options =>
        {
            options.Uri = Nowhere;
            options.FirstConnect = AmqpFirstConnect.Retry;
            options.ShutdownTimeout = TimeSpan.Zero;
        });
        Task given = verb switch
        {
            "connect" => AmqpClient.ConnectAsync(
                new AmqpClientOptions { Uri = Nowhere, FirstConnect = AmqpFirstConnect.Retry },
                soon.Token),
            "open" or "cancelled wait" => amqp.OpenAsync(soon.Token),
            "declare" => amqp.DeclareAsync(new AmqpTopology().Queue("q"), soon.Token),
            "consume" => amqp.ConsumeAsync("q", new Inbox().HandleAsync, cancellationToken: soon.Token),
            "read" => amqp.ReadAllAsync("q", cancellationToken: soon.Token)
                .GetAsyncEnumerator(soon.Token).MoveNextAsync().AsTask(),
            "serve" => amqp.ServeAsync("q", (_, _) => new(new AmqpMessage()), cancellationToken: soon.Token),
            "publish" => amqp.PublishAsync(AmqpMessage.ToQueue("q", []), soon.Token).AsTask(),
            _ => amqp.CallAsync(AmqpMessage.ToQueue("q", []),
                new AmqpCallOptions { ReplyTo = AmqpReplyAddress.Queue("r", reply => reply.CorrelationId) }, soon.Token)
                    .AsTask(),
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InTime(given));
        await amqp.DisposeAsync();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> InContextAsync(Func<Task> verb)
    {
        var weak = new WeakReference(null);
        // On a thread of its own, so that the context ends with the verb.
        await Task.Run(async () =>
        {
            byte[] held = new byte[1 << 20];
            weak.Target = held;
            Context.Value = held;
            await verb();
            Context.Value = null;
        }, Cancelled);
        return weak;
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(int))]
internal sealed partial class JsonNumbers : System.Text.Json.Serialization.JsonSerializerContext;
