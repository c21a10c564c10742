using System.Text.Json.Serialization;
using ImageServer.Protocol;
using ImageServer.Server.State;
using SafeAmqp;

namespace ImageServer.Server.Web;

/// <summary>What the page shows.</summary>
internal sealed record PageReport
{
    public required int Connections { get; init; }
    public required int MostConnections { get; init; }
    public required int ClientsSeen { get; init; }
    public required int Files { get; init; }
    public required long PicturesShown { get; init; }
    public required string? LastPrompt { get; init; }
    public required string Model { get; init; }
    public required bool BrokerIsReady { get; init; }
    public required string Broker { get; init; }
    public required IReadOnlyList<RequestReport> Line { get; init; }
    public required IReadOnlyList<PictureReport> Pictures { get; init; }

    public static PageReport Of(ServerState state, AmqpClientStatus broker, string model, DateTimeOffset now) => new()
    {
        Connections = state.Clients.Count,
        MostConnections = state.MostClients,
        ClientsSeen = state.ClientsSeen,
        Files = state.Files.Length,
        PicturesShown = state.PicturesShown,
        LastPrompt = state.LastPrompt,
        Model = model,
        BrokerIsReady = broker.IsReady,
        Broker = broker.ToString(),
        Line = [.. state.Line.Select(request => new RequestReport(
            request.Ticket, request.ClientId, request.Source.Title,
                Math.Round((now - request.Since).TotalSeconds, 1)))],
        Pictures = [.. state.Pictures.Select(
            picture => new PictureReport(picture.Number, picture.ClientId, picture.Title, Name(picture.Mode)))],
    };

    private static string Name(GraphicsMode mode) => mode switch
    {
        GraphicsMode.Graphics8 => "Graphics 8",
        GraphicsMode.Graphics9 => "Graphics 9",
        GraphicsMode.Vbxe256 => "VBXE, 256 colours",
        _ => "VBXE, 16 colours",
    };
}

/// <summary>A request in the line.</summary>
internal sealed record RequestReport(long Ticket, int Client, string Title, double Seconds);

/// <summary>A picture that was sent.</summary>
internal sealed record PictureReport(long Number, int Client, string Title, string Mode);

[JsonSerializable(typeof(PageReport))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
internal sealed partial class PageJson : JsonSerializerContext;
