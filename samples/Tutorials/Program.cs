using SafeAmqp;
using Tutorials;

// dotnet run -- NUMBER [URI]
await using var amqp = await AmqpClient.ConnectAsync(args.ElementAtOrDefault(1) ?? "amqp://localhost");
await (args.ElementAtOrDefault(0) switch
{
    "1" => HelloWorld.RunAsync(amqp, Console.WriteLine),
    "2" => WorkQueues.RunAsync(amqp, Console.WriteLine),
    "3" => PublishSubscribe.RunAsync(amqp, Console.WriteLine),
    "4" => Routing.RunAsync(amqp, Console.WriteLine),
    "5" => Topics.RunAsync(amqp, Console.WriteLine),
    "6" => RemoteCalls.RunAsync(amqp, Console.WriteLine),
    "7" => PublisherConfirms.RunAsync(amqp, Console.WriteLine),
    _ => throw new ArgumentException("Which of the seven? dotnet run -- 1"),
});
Console.WriteLine("Enter ends it.");
Console.ReadLine();
