using System.Runtime.CompilerServices;
using System.Text;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>What tests of features add to <see cref="BrokerTest"/>: a witness, short bodies, both layouts.</summary>
public abstract class FeatureTest(TestBroker broker) : BrokerTest(broker)
{
    private readonly List<IAsyncDisposable> _owned = [];

    /// <summary>
    /// Both layouts: with one link publishing and consuming share a connection, an I/O thread and their bounds.
    /// </summary>
    public static TheoryData<AmqpConnectionLayout> Layouts
        => [AmqpConnectionLayout.Separate, AmqpConnectionLayout.Shared];

    protected static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static string Text(AmqpDelivery delivery) => Encoding.UTF8.GetString(delivery.Body.Span);

    protected static string Text(AmqpReply reply) => Encoding.UTF8.GetString(reply.Body.Span);

    protected static string[] Numbers(int count) => [.. Enumerable.Range(0, count)
        .Select(number => number.ToString(System.Globalization.CultureInfo.InvariantCulture))];

    protected Task<AmqpClient> ConnectAsync(AmqpConnectionLayout layout, Action<AmqpClientOptions>? configure = null)
        => ConnectAsync(options =>
    {
        options.Layout = layout;
        configure?.Invoke(options);
    });

    /// <summary>Eyes and hands that owe nothing to the library.</summary>
    protected async Task<Witness> WitnessAsync(string? uri = null)
        => Own(await Witness.ConnectAsync(uri ?? Broker.Uri, Cancelled));

    protected FrameRelay NewRelay() => Own(new FrameRelay(Broker.Uri));

    /// <summary>Ends with the test.</summary>
    protected T Own<T>(T item) where T : IAsyncDisposable
    {
        _owned.Add(item);
        return item;
    }

    /// <summary>A queue with a dead-letter queue.</summary>
    protected async Task<(string Queue, string Dead)> NewQueueWithDeadLettersAsync(
        IAmqpClient client, AmqpQueueType type = AmqpQueueType.Classic,
        [CallerMemberName] string test = "")
    {
        (string queue, string dead) = (NewName(test), NewName(test));
        await client.DeclareAsync(new AmqpTopology()
            .Queue(dead)
            .With(new AmqpQueue { Name = queue, Type = type, DeadLetterExchange = "", DeadLetterRoutingKey = dead }),
            Cancelled);
        return (queue, dead);
    }

    protected static async Task PublishAsync(IAmqpClient client, string queue, params string[] bodies)
    {
        foreach (AmqpPublishResult result in await client.PublishAllAsync(
            [.. bodies.Select(body => AmqpMessage.ToQueue(queue, Bytes(body)))], Cancelled))
            result.ThrowIfNotConfirmed();
    }

    /// <summary>Waits until the broker counts so many ready messages.</summary>
    protected static Task<uint> UntilReadyAsync(
        Witness witness, string queue, uint count, [CallerArgumentExpression(nameof(count))] string what = "")
        => UntilAsync(() => witness.ReadyAsync(queue), ready => ready == count, $"{what} messages ready in {queue}");

    /// <summary>The outcome of a wait that must end: fails the test at the limit instead of hanging.</summary>
    protected static Task<T> InTime<T>(ValueTask<T> task) => task.AsTask().WaitAsync(Limit, Cancelled);

    protected static Task InTime(ValueTask task) => task.AsTask().WaitAsync(Limit, Cancelled);

    protected static Task<T> InTime<T>(Task<T> task) => task.WaitAsync(Limit, Cancelled);

    protected static Task InTime(Task task) => task.WaitAsync(Limit, Cancelled);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        foreach (IAsyncDisposable item in _owned)
            await item.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
