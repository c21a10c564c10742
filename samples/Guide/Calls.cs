using System.Runtime.CompilerServices;
using SafeAmqp;

namespace Guide;

/// <summary>What is asked.</summary>
public sealed record PriceRequest(string Item);

/// <summary>What is answered.</summary>
public sealed record Price(decimal Amount);

/// <summary>Requests and replies.</summary>
public static class Calls
{
    /// <summary>Serves prices, and asks for some.</summary>
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("prices"));
        // <serve>
        await using AmqpSubscription server = await amqp.ServeJsonAsync<PriceRequest, Price>("prices",
            (request, delivery, abandoned) => request.Item == "tea"
                ? new(new Price(3.50m))
                : throw new KeyNotFoundException($"No price for {request.Item}."));
        // </serve>

        // <call>
        Price? price = await amqp.CallJsonAsync<PriceRequest, Price>("", "prices", new PriceRequest("tea"),
            new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(5) });
        // </call>
        say($"Tea: {price!.Amount}");

        // <failures>
        foreach ((string queue, string item) in new[] { ("prices", "gold"), ("rates", "tea") })
            try
            {
                await amqp.CallJsonAsync<PriceRequest, Price>("", queue, new PriceRequest(item));
            }
            catch (AmqpRemoteException error)      // the handler threw
            {
                say($"The server threw {error.RemoteType}");
            }
            catch (AmqpReturnedException)          // no such queue: known in one round trip
            {
                say($"There is no queue '{queue}'");
            }
            catch (AmqpNoReplyException error)     // no reply; error.Outcome says whether the request arrived
            {
                say($"No reply in time, the request was {error.Outcome}");
            }
        // </failures>
    }

    /// <summary>One request with many replies.</summary>
    public static async Task ListAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("price-lists"));
        // <serve-many>
        await using AmqpSubscription server = await amqp.ServeManyJsonAsync<PriceRequest, Price>("price-lists",
            (request, delivery, abandoned) => PricesOfAsync(request.Item, abandoned));

        static async IAsyncEnumerable<Price> PricesOfAsync(string item,
            [EnumeratorCancellation] CancellationToken abandoned)    // fires when the caller has left
        {
            for (decimal amount = item.Length; ; amount++)
            {
                await Task.Delay(10, abandoned);
                yield return new Price(amount);                      // waits while the caller is far enough behind
            }
        }
        // </serve-many>

        // <call-many>
        await foreach (Price? price in amqp.CallManyJsonAsync<PriceRequest, Price>("", "price-lists",
            new PriceRequest("tea"), new AmqpCallManyOptions { Prefetch = 20 }))
        {
            say($"Tea: {price!.Amount}");
            if (price.Amount >= 5)
                break;                                               // tells the server
        }
        // </call-many>
    }

    /// <summary>Replies that outlive a lost connection.</summary>
    public static async Task<AmqpReply> AskForLongAsync(IAmqpClient amqp, AmqpMessage request)
    {
        // <fixed>
        await amqp.DeclareAsync(new AmqpTopology().Queue("reports.replies"));
        var replies = AmqpReplyAddress.Queue("reports.replies");    // made once, used for all calls

        AmqpReply reply = await amqp.CallAsync(request,
            new AmqpCallOptions { ReplyTo = replies, Timeout = TimeSpan.FromHours(1) });
        // </fixed>
        return reply;
    }
}
