using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.IntegrationTests.Calls;

/// <summary>
/// What tests of calls share: reply addresses by name, and a server that owes nothing to the library.
/// </summary>
public abstract class CallTest(TestBroker broker) : FeatureTest(broker)
{
    /// <summary>Each kind of reply address over each layout.</summary>
    public static TheoryData<string, AmqpConnectionLayout> Addresses
    {
        get
        {
            var data = new TheoryData<string, AmqpConnectionLayout>();
            foreach (string address in (string[])["exclusive", "direct", "fixed"])
            {
                data.Add(address, AmqpConnectionLayout.Separate);
                data.Add(address, AmqpConnectionLayout.Shared);
            }
            return data;
        }
    }

    protected async Task<AmqpReplyAddress> AddressAsync(IAmqpClient client, string kind) => kind switch
    {
        "exclusive" => AmqpReplyAddress.Exclusive,
        "direct" => AmqpReplyAddress.Direct,
        _ => AmqpReplyAddress.Queue(await NewQueueAsync(client)),
    };

    protected static AmqpCallOptions To(AmqpReplyAddress address, TimeSpan? timeout = null)
        => new() { ReplyTo = address, Timeout = timeout ?? Limit };

    protected static AmqpCallOptions Within(TimeSpan timeout) => new() { Timeout = timeout };

    /// <summary>A queue whose requests wait until the test answers them, over a connection of its own.</summary>
    protected async Task<RequestDesk> DeskAsync()
    {
        Witness witness = await WitnessAsync();
        string queue = await witness.QueueAsync(NewName());
        var desk = new RequestDesk(queue, witness);
        await witness.ConsumeAsync(queue, desk.TakeAsync);
        return desk;
    }
}

/// <summary>The other side of calls, by hand.</summary>
public sealed class RequestDesk(string queue, Witness witness)
{
    private readonly System.Threading.Channels.Channel<Request> _requests =
        System.Threading.Channels.Channel.CreateUnbounded<Request>();

    public string Queue => queue;

    public ConcurrentBag<Request> All { get; } = [];

    public Witness Witness => witness;

    public async Task<Request> NextAsync()
        => await _requests.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask()
            .WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    /// <summary>Sends a message to where a request wants its reply, by default with its correlation id.</summary>
    public Task ReplyAsync(Request request, string body, Action<BasicProperties>? properties = null)
        => SendAsync(request.ReplyTo, body, filled =>
    {
        filled.CorrelationId = request.CorrelationId;
        properties?.Invoke(filled);
    });

    public async Task SendAsync(string replyTo, string body, Action<BasicProperties> properties)
    {
        var filled = new BasicProperties();
        properties(filled);
        await witness.Channel.BasicPublishAsync(
            "", replyTo, mandatory: false, filled, System.Text.Encoding.UTF8.GetBytes(body));
    }

    internal Task TakeAsync(BasicDeliverEventArgs delivery)
    {
        var request = new Request(
            System.Text.Encoding.UTF8.GetString(delivery.Body.Span), delivery.BasicProperties.ReplyTo ?? "",
            delivery.BasicProperties.CorrelationId ?? "", delivery.BasicProperties.Expiration,
            delivery.BasicProperties.Headers?.TryGetValue("x-safeamqp-deadline", out object? deadline) == true
                ? deadline
                : null);
        All.Add(request);
        _requests.Writer.TryWrite(request);
        return Task.CompletedTask;
    }
}

/// <summary>A request as the other side sees it.</summary>
public sealed record Request(string Body, string ReplyTo, string CorrelationId, string? Expiration, object? Deadline);
